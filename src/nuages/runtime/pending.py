"""What the pending migrations would do, as data: `python -m nuages_runtime.pending --out FILE`.

Runs in the project's own Python with the release's environment, in the folder of manage.py. It reads: nothing here
writes to the database, and a SQLite file that is not there is not created. Judging is done by others, from this JSON.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import re
import sys

from .entry import set_up
from .operations import describe_migration


def database_facts(alias, details=True):
    """Everything a judge must know about one database; {"error": {...}} where it does not answer."""
    from django.db import connections

    connection = connections[alias]
    facts = {"alias": alias, "vendor": connection.vendor, "where": where(connection)}
    facts["missing_file"] = use_memory_for_missing_file(connection)
    try:
        connection.ensure_connection()
        facts["version"] = server_version(connection)
        facts.update(migration_facts(connection, details))
    except Exception as error:
        facts["error"] = refusal(connection, error)
    return facts


def migration_facts(connection, details):
    from django.db.migrations.executor import MigrationExecutor

    executor = MigrationExecutor(connection)
    loader = executor.loader
    loader.check_consistent_history(connection)
    applied = [key for key in loader.applied_migrations if key in loader.graph.nodes]
    conflicts = {app: sorted(names) for app, names in loader.detect_conflicts().items()}
    facts = {
        "applied": sorted(label(key) for key in loader.applied_migrations),
        "conflicts": conflicts,
        "pending": [],
    }
    if conflicts:
        return facts
    plan = executor.migration_plan(loader.graph.leaf_nodes())
    tables = set(connection.introspection.table_names())
    facts["empty"] = not applied and not (tables - {"django_migrations"})
    facts["pending"] = describe_plan(executor, connection, plan, tables, details and not facts["empty"])
    if facts["pending"] and not facts["empty"]:
        facts["sizes"] = table_sizes(connection, touched(facts["pending"]) & tables)
        facts["size"] = database_size(connection)
    return facts


def describe_plan(executor, connection, plan, tables, details):
    state = executor._create_project_state(with_applied_migrations=True) if details and plan else None
    planned = {(m.app_label, m.name) for m, _ in plan}
    created, described = set(), []
    for migration, _backwards in plan:
        node = executor.loader.graph.node_map[(migration.app_label, migration.name)]
        entry = {
            "app": migration.app_label,
            "name": migration.name,
            "atomic": migration.atomic,
            "needs": sorted(label(parent.key) for parent in node.parents if parent.key in planned),
            "file": source_file(migration),
        }
        if details:
            entry["operations"], state = describe_migration(migration, state, connection, tables, created)
        else:
            entry["operations"] = [{"describe": op.describe(), "class": type(op).__name__} for op in migration.operations]
        described.append(entry)
    return described


def source_file(migration):
    module = sys.modules.get(type(migration).__module__)
    path = getattr(module, "__file__", "") or ""
    return {"path": path, "third_party": "site-packages" in path or "dist-packages" in path}


def touched(pending):
    return {op["table"] for m in pending for op in m["operations"] if op.get("table")} | {
        table for m in pending for op in m["operations"] for table in op.get("also", ())
    }


def label(key):
    return "%s.%s" % key


# --- the database -----------------------------------------------------------------------------------------------


def where(connection):
    settings = connection.settings_dict
    return {
        "engine": str(settings.get("ENGINE", "")),
        "host": str(settings.get("HOST") or ""),
        "port": str(settings.get("PORT") or ""),
        "name": str(settings.get("NAME") or ""),
        "user": str(settings.get("USER") or ""),
    }


def use_memory_for_missing_file(connection):
    """Connecting to a SQLite file that is not there would create it: look at an empty database in memory instead."""
    name = str(connection.settings_dict.get("NAME") or "")
    if connection.vendor != "sqlite" or connection.connection is not None or not name:
        return False
    if ":memory:" in name or name.startswith("file:") or os.path.exists(name):
        return False
    connection.settings_dict["NAME"] = ":memory:"
    return True


def server_version(connection):
    if connection.vendor == "sqlite":
        import sqlite3

        return sqlite3.sqlite_version
    version = getattr(connection, "pg_version", None) or getattr(connection, "mysql_version", "")
    return ".".join(map(str, version)) if isinstance(version, tuple) else str(version)


def refusal(connection, error):
    """The real message, with the place and without the password."""
    from django.core.exceptions import ImproperlyConfigured
    from django.db import DatabaseError, InterfaceError

    kind = "database_refused" if isinstance(error, (DatabaseError, InterfaceError)) else "migrations_unreadable"
    if isinstance(error, ImproperlyConfigured):
        kind = "database_misconfigured"
    message = str(error).strip() or type(error).__name__
    password = str(connection.settings_dict.get("PASSWORD") or "")
    if password:
        message = message.replace(password, "***")
    message = re.sub(r"(://[^:/@\s]*):[^@\s]*@", r"\1:***@", message)
    return {"kind": kind, "class": type(error).__name__, "message": message, **where(connection)}


ROW_BOUND = 1000000


def database_size(connection):
    """Bytes, for what a snapshot costs; None where it is a file, or can't be asked."""
    if connection.vendor != "postgresql":
        return None
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_database_size(current_database())")
            return cursor.fetchone()[0]
    except Exception:
        return None


def table_sizes(connection, tables):
    """{table: {"rows", "bytes"}}; rows are the planner's guess on PostgreSQL and MySQL, counted up to a bound on SQLite."""
    read = {"sqlite": _sizes_sqlite, "postgresql": _sizes_postgresql, "mysql": _sizes_mysql}.get(connection.vendor)
    if not read or not tables:
        return {}
    try:
        with connection.cursor() as cursor:
            return read(connection, cursor, sorted(tables))
    except Exception:
        return {}


def _sizes_sqlite(connection, cursor, tables):
    sizes = {}
    for table in tables:
        quoted = connection.ops.quote_name(table)
        cursor.execute("SELECT COUNT(*) FROM (SELECT 1 FROM %s LIMIT %d)" % (quoted, ROW_BOUND))  # noqa: S608 - quoted
        sizes[table] = {"rows": cursor.fetchone()[0], "bytes": None}
    return sizes


def _sizes_postgresql(connection, cursor, tables):
    cursor.execute(
        "SELECT relname, reltuples::bigint, pg_total_relation_size(oid) FROM pg_class "
        "WHERE relkind IN ('r', 'p', 'm') AND pg_table_is_visible(oid) AND relname = ANY(%s)",
        [tables],
    )
    # Never analysed tables have reltuples -1: their bytes still tell.
    return {name: {"rows": rows if rows >= 0 else None, "bytes": size} for name, rows, size in cursor.fetchall()}


def _sizes_mysql(connection, cursor, tables):
    marks = ", ".join(["%s"] * len(tables))
    cursor.execute(
        "SELECT table_name, table_rows, data_length + index_length FROM information_schema.tables "  # noqa: S608 - placeholders
        "WHERE table_schema = DATABASE() AND table_name IN (" + marks + ")",
        tables,
    )
    return {name: {"rows": rows, "bytes": size} for name, rows, size in cursor.fetchall()}


# --- models that changed without a migration --------------------------------------------------------------------


def missing_migrations():
    """Ask the project's own makemigrations; informational, so whatever it does is an answer and never a failure."""
    from django.apps import apps
    from django.core.management import call_command

    out = io.StringIO()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            call_command(
                "makemigrations",
                check=True,
                dry_run=True,
                interactive=False,
                verbosity=1,
                stdout=out,
                stderr=out,
            )
    except SystemExit:
        pass  # it found some, or would have to ask
    except Exception as error:
        return [{"app": "", "third_party": False, "detail": "makemigrations --check failed: %s" % error}]
    else:
        return []
    text = out.getvalue()
    paths = {config.label: config.path for config in apps.get_app_configs()}
    found = []
    for app in re.findall(r"Migrations for '([^']+)'", text):
        third_party = "site-packages" in paths.get(app, "") or "dist-packages" in paths.get(app, "")
        found.append({"app": app, "third_party": third_party, "detail": ""})
    return found or [{"app": "", "third_party": False, "detail": text.strip()[-2000:]}]


# --- which databases --------------------------------------------------------------------------------------------


def migrated_aliases():
    """`default`, and others that a router of the project claims explicitly: a mere reader or replica is not migrated."""
    from django.apps import apps
    from django.db import connections, router

    def claims(alias):
        for one in router.routers:
            method = getattr(one, "allow_migrate", None)
            if not method:
                continue
            for model in apps.get_models(include_auto_created=True):
                with contextlib.suppress(Exception):
                    if method(alias, model._meta.app_label, model_name=model._meta.model_name, model=model) is True:
                        return True
        return False

    def engine(alias):
        return connections[alias].settings_dict.get("ENGINE") or "django.db.backends.dummy"

    others = [alias for alias in connections if alias != "default" and claims(alias)]
    return [a for a in ["default", *others] if a in list(connections) and not engine(a).endswith(".dummy")]


def report(aliases=(), missing=True, details=True):
    import django

    answer = {"schema": 1, "django": django.get_version(), "databases": {}, "missing": []}
    for alias in aliases or migrated_aliases():
        answer["databases"][alias] = database_facts(alias, details)
    if missing:
        answer["missing"] = missing_migrations()
    return answer


def main(argv=None):
    parser = argparse.ArgumentParser(prog="nuages_runtime.pending")
    parser.add_argument("--out", required=True)
    parser.add_argument("--database", action="append", default=[], help="default: all that migrations may go to")
    parser.add_argument("--skip-missing", action="store_true", help="don't ask makemigrations --check")
    parser.add_argument("--brief", action="store_true", help="names only, no operations")
    options = parser.parse_args(argv)
    set_up()
    answer = report(options.database, missing=not options.skip_missing, details=not options.brief)
    with open(options.out, "w", encoding="utf-8") as file:
        json.dump(answer, file, default=str)
    return 0


if __name__ == "__main__":
    sys.exit(main())
