"""Try the pending migrations on a copy of the database: `python -m nuages_runtime.rehearse --scratch DIR --out FILE`.

Runs with the NEW release's code. SQLite: the whole file, by the backup API. PostgreSQL: a database of its own on the
same server with the schema and the rows of django_migrations, so nothing is learnt about rows. After each migration
the schema is read as data; `nuages_runtime.schema --compare FILE` then asks the live release's code about each.
Signals are not sent. Where no copy can be made the answer says why, which is no failure.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import time

from . import bridge
from .entry import set_up
from .migrate import Run
from .schema import compare_steps, read_schema
from .snapshot import copy_database


class NotPossibleError(Exception):
    """No copy can be made; the message completes the sentence "not rehearsed: ..."."""


def rehearse(alias, scratch):
    from django.db import connections

    connection = connections[alias]
    copy = COPIES.get(connection.vendor)
    if copy is None:
        raise NotPossibleError("there is no way yet to copy a %s database" % connection.vendor)
    started = time.monotonic()
    with copy(connection, scratch) as what:
        answer = run_on_copy(alias, connection, scratch)
        answer["whole"] = connection.vendor == "sqlite"
        answer["new"] = compare_steps(answer)
        close(connection)
    answer["how"] = "%s (%.1f s)" % (what, time.monotonic() - started)
    return answer


def run_on_copy(alias, connection, scratch):
    from django.db.migrations.executor import MigrationExecutor

    run, failed = Run(), ""
    steps = [{"after": "", "tables": read_schema(connection)}]
    bridge.keep_defaults(alias, bridge.Kept(os.path.join(scratch, "rehearsal-%s-defaults.json" % alias)), run)
    run.watch(after=lambda m: steps.append({"after": "%s.%s" % (m.app_label, m.name), "tables": read_schema(connection)}))
    try:
        executor = MigrationExecutor(connection)
        executor.migrate(executor.loader.graph.leaf_nodes())
    except Exception as error:
        failed = "%s: %s" % (run.current or "the plan", one_line(error))
    seconds = {entry["label"]: entry["seconds"] for entry in run.done}
    return {"schema": 1, "alias": alias, "steps": steps, "seconds": seconds, "failed": failed}


def one_line(error):
    return ("%s: %s" % (type(error).__name__, error)).strip().split("\n")[0]


def close(connection):
    connection.close()
    close_pool = getattr(connection, "close_pool", None)
    if close_pool:
        with contextlib.suppress(Exception):
            close_pool()


# --- copies -----------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def sqlite_copy(connection, scratch):
    name = str(connection.settings_dict["NAME"])
    if ":memory:" in name or not os.path.exists(name):
        raise NotPossibleError("there is no database file yet")
    size = os.path.getsize(name)
    free = shutil.disk_usage(scratch).free
    if free < size * 2.2:  # the copy, and the table that a migration rebuilds in it
        raise NotPossibleError("a copy needs %d MB, %d MB are free" % (size * 2.2 / 1e6, free / 1e6))
    target = os.path.join(scratch, "rehearsal-%s.sqlite3" % connection.alias)
    remove(target)
    copy_database(name, target)
    close(connection)
    connection.settings_dict["NAME"] = target
    try:
        yield "on a copy of %s" % os.path.basename(name)
    finally:
        remove(target)


def remove(path):
    for suffix in ("", "-wal", "-shm", "-journal", ".partial"):
        with contextlib.suppress(FileNotFoundError):
            os.remove(path + suffix)


SHADOW, ORPHANED = "nuages_rehearsal_", 3600


@contextlib.contextmanager
def postgresql_copy(connection, scratch):
    for tool in ("pg_dump", "psql"):
        if not shutil.which(tool):
            raise NotPossibleError("%s is not on this machine" % tool)
    live = str(connection.settings_dict["NAME"])
    shadow = "%s%d_%d" % (SHADOW, os.getpid(), int(time.time()))
    create_database(connection, shadow)
    admin = dict(connection.settings_dict)
    try:
        fill_shadow(connection, live, shadow)
        close(connection)
        connection.settings_dict["NAME"] = shadow
        yield "on an empty copy of the schema of %s" % live
    finally:
        close(connection)
        connection.settings_dict["NAME"] = admin["NAME"]
        with contextlib.suppress(Exception), connection.cursor() as cursor:
            cursor.execute("DROP DATABASE IF EXISTS %s" % connection.ops.quote_name(shadow))
        close(connection)


def create_database(connection, shadow):
    with connection.cursor() as cursor:
        cursor.execute("SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user")
        if not cursor.fetchone()[0]:
            raise NotPossibleError("the database user may not create databases (ALTER ROLE ... CREATEDB)")
        drop_orphans(connection, cursor)
        try:
            cursor.execute("CREATE DATABASE %s TEMPLATE template0" % connection.ops.quote_name(shadow))
        except Exception as error:
            raise NotPossibleError(one_line(error)) from error


def drop_orphans(connection, cursor):
    """Copies of rehearsals that were killed; one that is in use refuses to go."""
    cursor.execute("SELECT datname FROM pg_database WHERE datname LIKE %s", [SHADOW + "%"])
    for (name,) in cursor.fetchall():
        age = time.time() - float(name.rsplit("_", 1)[1] or 0)
        if age > ORPHANED:
            with contextlib.suppress(Exception):
                cursor.execute("DROP DATABASE %s" % connection.ops.quote_name(name))


def fill_shadow(connection, live, shadow):
    arguments, env = client_arguments(connection, live)
    dump = ["pg_dump", "--no-owner", "--no-privileges", "--no-password"]
    schema = pipe([*dump, "--schema-only", *arguments], env)
    rows = pipe([*dump, "--data-only", "--table=django_migrations", "--table=django_content_type", *arguments], env)
    arguments, env = client_arguments(connection, shadow)
    pipe(
        ["psql", "--no-password", "--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=0", *arguments],
        env,
        schema + b"\n" + rows,
    )
    close(connection)


def client_arguments(connection, name):
    settings = {**connection.settings_dict, "NAME": name}
    client = connection.client
    if hasattr(type(client), "settings_to_cmd_args_env"):
        arguments, env = type(client).settings_to_cmd_args_env(settings, [])
        return list(arguments[1:]), {**os.environ, **(env or {})}
    arguments = ["--username", settings["USER"]] if settings.get("USER") else []
    arguments += ["--host", settings["HOST"]] if settings.get("HOST") else []
    arguments += ["--port", str(settings["PORT"])] if settings.get("PORT") else []
    return [*arguments, name], {**os.environ, "PGPASSWORD": settings.get("PASSWORD") or ""}


def pipe(argv, env, data=b""):
    result = subprocess.run(argv, env=env, input=data, capture_output=True, timeout=600, check=False)
    if result.returncode:
        words = result.stderr.decode("utf-8", "replace").strip().split("\n")[-1]
        raise NotPossibleError("%s: %s" % (argv[0], words))
    return result.stdout


COPIES = {"sqlite": sqlite_copy, "postgresql": postgresql_copy}


def main(argv=None):
    parser = argparse.ArgumentParser(prog="nuages_runtime.rehearse")
    parser.add_argument("--database", default="default")
    parser.add_argument("--scratch", required=True)
    parser.add_argument("--out", required=True)
    options = parser.parse_args(argv)
    set_up()
    os.makedirs(options.scratch, exist_ok=True)
    try:
        answer = rehearse(options.database, options.scratch)
    except NotPossibleError as error:
        answer = {
            "schema": 1,
            "alias": options.database,
            "steps": [],
            "new": [],
            "seconds": {},
            "failed": "",
            "how": "not rehearsed: %s" % error,
        }
    with open(options.out, "w", encoding="utf-8") as file:
        json.dump(answer, file, default=str)
    return 0


if __name__ == "__main__":
    sys.exit(main())
