"""Missing and conflicting migrations, by the project's own makemigrations (pretalx overrides it), without a database."""

from __future__ import annotations

import contextlib
import io
import re

from .audit_project import finding, listed, told


APP = re.compile(r"^Migrations for '([^']+)':")
# Without these operations the database lacks what every query of the model names.
CREATES = re.compile(r"^\s+(?:[-+~]\s+)?((?:Add field|Create model|Rename field|Rename model|Create proxy model)\b.*)")
# What it says instead of asking for a default when nobody is there to answer.
REFUSED = re.compile(r"Field '([^']+)' on model '([^']+)' not migrated: it is impossible to (add|change)")


def conflicting_migrations(project):
    from django.db.migrations.loader import MigrationLoader

    conflicts = MigrationLoader(None, ignore_no_migrations=True).detect_conflicts()
    for app, names in sorted(conflicts.items()):
        what = "%s has %d latest migrations (%s): migrate refuses" % (app, len(names), listed(sorted(names)))
        yield finding("migrations.N003", "error", what, app, "python manage.py makemigrations --merge")


def missing_migrations(project):
    text, failed, error = ask_makemigrations()
    refused = REFUSED.search(error)
    if refused:
        yield from required_field(project, *refused.groups())
        return
    if "Conflicting migrations" in error:
        return  # migrations.N003 says which
    if error:
        yield finding(
            "migrations.N005",
            "unknown",
            "missing migrations could not be judged: %s" % error,
            "makemigrations --check --dry-run",
        )
        return
    if not failed:
        return
    own, foreign = [], []
    for app, lines in by_app(text):
        (own if owned(project, app) else foreign).append((app, lines))
    for app, lines in own:
        creates = [m.group(1).strip() for m in map(CREATES.match, lines) if m and "proxy" not in m.group(1)]
        if creates:
            what = "%s: no migration creates what the models need: %s" % (app, listed(creates, 3))
            yield finding("migrations.N001", "error", what, app, "python manage.py makemigrations %s" % app)
        else:
            changes = [line.strip(" -+~") for line in lines if line.startswith("    ")]
            yield finding(
                "migrations.N002",
                "warning",
                "%s: changes without a migration: %s" % (app, listed(changes, 3)),
                app,
                "python manage.py makemigrations %s" % app,
            )
    if foreign:
        names = listed([app for app, _ in foreign])
        hint = "often DEFAULT_AUTO_FIELD: set default_auto_field in the app's config, and never run makemigrations for a package"
        yield finding(
            "migrations.N004",
            "info",
            "installed packages lack migrations under these settings: %s" % names,
            "INSTALLED_APPS",
            hint,
        )


def required_field(project, field, model, verb):
    """makemigrations stops at the first such field, so the rest is not known."""
    from django.apps import apps

    labels = [m._meta.app_label for m in apps.get_models() if m._meta.model_name == model.lower()]
    owners = [label for label in labels if owned(project, label)]
    if not owners:
        yield finding(
            "migrations.N004",
            "info",
            "an installed package lacks a migration for %s.%s" % (model, field),
            listed(labels),
        )
        return
    hint = "python manage.py makemigrations %s asks for the value of the rows that exist" % owners[0]
    if verb == "add":
        yield finding("migrations.N001", "error", "%s.%s is in no migration" % (model, field), owners[0], hint)
    else:
        yield finding(
            "migrations.N002",
            "warning",
            "%s.%s changed without a migration" % (model, field),
            owners[0],
            hint,
        )


CHECKS = (conflicting_migrations, missing_migrations)


def ask_makemigrations():
    """(its output, does it say that something is missing, why it could not answer)."""
    from django.core.management import call_command
    from django.db.migrations.loader import MigrationLoader

    out = io.StringIO()
    asks_database = MigrationLoader.check_consistent_history
    # The only part of the command that opens a connection; the probe's database is empty or unreachable.
    MigrationLoader.check_consistent_history = lambda self, connection: None
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            call_command(
                "makemigrations",
                check_changes=True,
                dry_run=True,
                interactive=False,
                verbosity=1,
                stdout=out,
                stderr=out,
            )
    except SystemExit as ended:
        text = out.getvalue()
        if any(APP.match(line) for line in text.splitlines()):
            return text, bool(ended.code), ""
        return (
            text,
            False,
            (" ".join(text.split())[-300:] or "it ended with %s" % ended.code) if ended.code else "",
        )
    except Exception as error:
        return out.getvalue(), False, told(error)
    finally:
        MigrationLoader.check_consistent_history = asks_database
    return out.getvalue(), False, ""


def by_app(text):
    found = []
    for line in text.splitlines():
        match = APP.match(line)
        if match:
            found.append((match.group(1), []))
        elif found:
            found[-1][1].append(line)
    return found


def owned(project, label):
    from django.apps import apps

    try:
        return project.owns(apps.get_app_config(label).path + "/x")
    except LookupError:
        return False
