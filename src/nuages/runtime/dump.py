"""Snapshot a database of the project: `python -m nuages_runtime.dump --database default --to PATH` (an ending is added).

SQLite by its backup API, PostgreSQL by pg_dump in its custom format. Passwords travel in the environment, never in argv.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys


def dump(connection, path):
    """The file written. Raises ValueError where this kind of database can't be snapshot here."""
    if connection.vendor == "sqlite":
        return dump_sqlite(str(connection.settings_dict["NAME"]), path + ".sqlite3")
    if connection.vendor == "postgresql":
        return dump_postgresql(connection.settings_dict, path + ".dump")
    raise ValueError('snapshots of %s are not taken yet: take one yourself, and set migrations.snapshot = "never"' % connection.vendor)


def dump_sqlite(database, path):
    from .snapshot import copy_database

    if os.path.exists(database):
        copy_database(database, path)
    return path


def dump_postgresql(settings, path):
    program = shutil.which("pg_dump")
    if not program:
        raise ValueError('pg_dump is not on this machine: apt-get install postgresql-client, or set migrations.snapshot = "never"')
    argv = [program, "--format=custom", "--no-password", "--file", path + ".partial"]
    for option, key in (("--host", "HOST"), ("--port", "PORT"), ("--username", "USER")):
        if settings.get(key):
            argv += [option, str(settings[key])]
    environment = dict(os.environ)
    if settings.get("PASSWORD"):
        environment["PGPASSWORD"] = str(settings["PASSWORD"])
    os.close(os.open(path + ".partial", os.O_CREAT | os.O_WRONLY, 0o600))
    done = subprocess.run([*argv, str(settings["NAME"])], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        raise ValueError(done.stdout.decode("utf-8", "replace").strip())
    os.replace(path + ".partial", path)
    return path


def main():
    parser = argparse.ArgumentParser(prog="dump")
    parser.add_argument("--database", default="default")
    parser.add_argument("--to", required=True)
    options = parser.parse_args()
    import django

    django.setup()
    from django.db import connections

    try:
        path = dump(connections[options.database], options.to)
    except (ValueError, OSError) as error:
        print(json.dumps({"error": "the snapshot failed", "detail": str(error), "hint": "nothing was changed"}))
        return 1
    print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
