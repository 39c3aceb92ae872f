"""What the live release's own code says: which databases it uses, and whether a database fits it.

The project's Python runs as the site's account and reads its program from standard input. Passwords come back through
the pipe, to a process of root's (or of the same user), and go nowhere else.
"""

import json
import os
import subprocess

from refusal import RefusedError, start, tail


MARK = "\x1e"
# In the release's Python, after django.setup(). argv[1] is a JSON object: verb, alias, name.
PROGRAM = r"""
import json, os, sys
wish = json.loads(sys.argv[1])
out = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
try:
    from nuages_runtime.entry import set_up
except ImportError:
    from django import setup as set_up
set_up()
from django.db import connections


def enter(alias, name):
    connection = connections[alias]
    if name:
        connection.close()
        connection.settings_dict["NAME"] = name
    return connection


def plain(value):
    if isinstance(value, dict):  # MySQL's "ssl"
        return all(plain(v) for v in value.values())
    return isinstance(value, (str, int))


def databases():
    found = {}
    for alias in connections:
        connection = connections[alias]
        entry = connection.settings_dict
        options = {k: v for k, v in (entry.get("OPTIONS") or {}).items() if plain(v)}
        found[alias] = {"vendor": connection.vendor, "name": str(entry.get("NAME") or ""), "host": str(entry.get("HOST") or ""),
            "port": str(entry.get("PORT") or ""), "user": str(entry.get("USER") or ""),
            "password": str(entry.get("PASSWORD") or ""), "options": options, "engine": entry["ENGINE"],
            "time_zone": entry.get("TIME_ZONE")}
    return {"databases": found}


def state(alias, name):
    from django.db.migrations.executor import MigrationExecutor
    from django.db.migrations.exceptions import InconsistentMigrationHistory
    executor = MigrationExecutor(enter(alias, name))
    loader = executor.loader
    replaced = {key for migration in loader.disk_migrations.values() for key in migration.replaces}
    applied = set(loader.applied_migrations)
    unknown = sorted(applied - set(loader.disk_migrations) - replaced)
    apps = set(loader.migrated_apps) | set(loader.unmigrated_apps)
    told = {"pending": [], "newer": [".".join(k) for k in unknown if k[0] in apps],
        "gone": [".".join(k) for k in unknown if k[0] not in apps], "wrong": ""}
    try:
        loader.check_consistent_history(connections[alias])
        told["pending"] = [m.app_label + "." + m.name for m, _back in executor.migration_plan(loader.graph.leaf_nodes())]
    except InconsistentMigrationHistory as error:
        told["wrong"] = str(error)
    return told


def migrate(alias, name):
    from django.core.management import call_command
    enter(alias, name)
    call_command("migrate", database=alias, interactive=False, verbosity=1)
    return state(alias, name)


def check(alias, name):
    from django.apps import apps
    from django.core import checks
    from django.db import router
    enter(alias, name)
    wrong = [str(m) for m in checks.run_checks(databases=[alias]) if m.is_serious() and not m.is_silenced()]
    read, failed = 0, []
    for model in apps.get_models(include_auto_created=True):
        options = model._meta
        if options.proxy or not options.managed or options.swapped or not router.allow_migrate_model(alias, model):
            continue
        try:
            list(model._base_manager.using(alias).order_by("pk")[:1])
            read += 1
        except Exception as error:
            failed.append("%s: %s: %s" % (options.label, type(error).__name__, str(error).splitlines()[0] if str(error) else ""))
    return {"checks": wrong, "read": read, "failed": failed}


verb = wish.pop("verb")
answer = {"databases": databases, "state": state, "migrate": migrate, "check": check}[verb](**wish)
out.write("\x1e" + json.dumps(answer) + "\n")
out.flush()
"""


def read(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


class Project:
    """The live release of the site in `folder`; its code runs as `account` ("": as whoever we are)."""

    def __init__(self, folder, account=""):
        self.folder, self.account = folder, account
        try:
            self.number = os.path.realpath(os.path.join(folder, "live"))
            self.release = read(os.path.join(self.number, "release.json"))
            self.build = os.path.join(folder, "releases", self.release["build"])
            self.manifest = read(os.path.join(self.build, "manifest.json"))
        except (OSError, KeyError, ValueError) as error:
            raise RefusedError("nothing is live here", str(error), "deploy the site first") from None

    @property
    def python(self):
        return os.path.join(self.manifest["environment"], "bin", "python")

    def environment(self):
        source = os.path.join(self.build, "source")
        paths = os.pathsep.join(os.path.join(source, part) for part in self.manifest["paths"])
        own = read(os.path.join(self.number, "env.json"))
        code = {"DJANGO_SETTINGS_MODULE": self.manifest["settings_module"], "PYTHONPATH": paths, "PYTHONUNBUFFERED": "1"}
        return {**own, **code, "NUAGES_RELEASE": os.path.join(self.folder, "numbered", "v%d" % self.release["number"])}

    def ask(self, verb, **wish):
        """Raises RefusedError with the last lines of what the project said."""
        child = start(
            [self.python, "-", json.dumps({"verb": verb, **wish})],
            self.account,
            self.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=os.path.dirname(os.path.join(self.build, "source", self.manifest["manage"])),
        )
        out, errors = child.communicate(PROGRAM.encode())
        for line in out.decode("utf-8", "replace").split("\n"):
            if line.startswith(MARK):
                return json.loads(line[1:])
        words = {"databases": "does not start", "migrate": "could not migrate it"}.get(verb, "could not read it")
        raise RefusedError("the live release %s" % words, tail(errors))

    def databases(self):
        """By alias: those that can be dumped, each once: of aliases that are the same database the first one counts."""
        found, seen = {}, set()
        for alias, entry in self.ask("databases")["databases"].items():
            which = tuple(entry[key] for key in ("vendor", "host", "port", "name"))
            memory = entry["vendor"] == "sqlite" and (entry["name"].startswith("file:") or entry["name"] == ":memory:")
            if which not in seen and not memory and entry["name"]:
                seen.add(which)
                found[alias] = entry
        return found
