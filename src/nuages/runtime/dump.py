"""Snapshot a database of the project: `python -m nuages_runtime.dump --to PATH` (an ending is added), or `--restore FILE`.

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
    raise ValueError(
        'snapshots of %s are not taken yet: take one yourself, and set migrations.snapshot = "never"' % connection.vendor
    )


def dump_sqlite(database, path):
    from .snapshot import copy_database

    if os.path.exists(database):
        copy_database(database, path)
    return path


def restore(connection, path):
    """Put a snapshot back, over what is there."""
    if connection.vendor == "sqlite":
        from .snapshot import restore as restore_sqlite

        restore_sqlite(path, str(connection.settings_dict["NAME"]))
    elif connection.vendor == "postgresql":
        settings = connection.settings_dict
        argv = ["--clean", "--if-exists", "--no-owner", "--single-transaction", "--dbname", str(settings["NAME"]), path]
        client("pg_restore", settings, argv)
    else:
        raise ValueError("a snapshot of %s can't be put back" % connection.vendor)
    return path


def client(name, settings, argv):
    """Run one of PostgreSQL's programs on this database."""
    program = shutil.which(name)
    if not program:
        raise ValueError("%s is not on this machine: apt-get install postgresql-client" % name)
    where = []
    for option, key in (("--host", "HOST"), ("--port", "PORT"), ("--username", "USER")):
        if settings.get(key):
            where += [option, str(settings[key])]
    environment = dict(os.environ)
    if settings.get("PASSWORD"):
        environment["PGPASSWORD"] = str(settings["PASSWORD"])
    command = [program, "--no-password", *where, *argv]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        raise ValueError(done.stdout.decode("utf-8", "replace").strip())


def dump_postgresql(settings, path):
    partial = path + ".partial"
    os.close(os.open(partial, os.O_CREAT | os.O_WRONLY, 0o600))
    client("pg_dump", settings, ["--format=custom", "--file", partial, str(settings["NAME"])])
    os.replace(partial, path)
    return path


def main():
    parser = argparse.ArgumentParser(prog="dump")
    parser.add_argument("--database", default="default")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--to")
    what.add_argument("--restore")
    options = parser.parse_args()
    from .entry import set_up

    set_up()
    from django.db import connections

    try:
        connection = connections[options.database]
        path = dump(connection, options.to) if options.to else restore(connection, options.restore)
    except (ValueError, OSError) as error:
        print(
            json.dumps(
                {
                    "error": "the snapshot failed" if options.to else "the snapshot was not put back",
                    "detail": str(error),
                    "hint": "nothing was changed",
                }
            )
        )
        return 1
    print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
