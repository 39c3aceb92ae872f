"""Snapshot a database of the project: `python -m nuages_runtime.dump --to PATH` (an ending is added), or `--restore FILE`.

SQLite by its backup API, PostgreSQL by pg_dump in its custom format. Passwords travel in the environment, never in argv.
With "-" the snapshot goes to standard output, and comes from standard input: on a server the site's user may neither
write nor read where snapshots are kept. What else would be printed goes to standard error then.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile


def dump(connection, path):
    """The file written. Raises ValueError where this kind of database can't be snapshot here."""
    if connection.vendor == "sqlite":
        return dump_sqlite(str(connection.settings_dict["NAME"]), path + ".sqlite3")
    if connection.vendor == "postgresql":
        return dump_postgresql(connection.settings_dict, path + ".dump")
    raise not_taken(connection)


def not_taken(connection):
    return ValueError(
        'snapshots of %s are not taken yet: take one yourself, and set migrations.snapshot = "never"' % connection.vendor
    )


def send(connection, out):
    """Write the snapshot to the file descriptor `out`."""
    if connection.vendor == "postgresql":
        settings = connection.settings_dict
        client("pg_dump", settings, ["--format=custom", compression(), str(settings["NAME"])], stdout=out)
    elif connection.vendor == "sqlite":
        database = str(connection.settings_dict["NAME"])
        with tempfile.TemporaryDirectory(dir=os.path.dirname(database) or None, prefix=".snapshot-") as folder:
            path = dump_sqlite(database, os.path.join(folder, "copy"))
            if os.path.exists(path):
                with open(path, "rb") as file, os.fdopen(os.dup(out), "wb") as target:
                    shutil.copyfileobj(file, target, 1 << 20)
    else:
        raise not_taken(connection)


def receive(connection, file):
    """Put back what comes from the binary `file`."""
    if connection.vendor == "sqlite":
        place = os.path.dirname(str(connection.settings_dict["NAME"])) or None
        with tempfile.TemporaryDirectory(dir=place, prefix=".snapshot-") as folder:
            path = os.path.join(folder, "copy")
            with open(path, "wb") as target:
                shutil.copyfileobj(file, target, 1 << 20)
            restore(connection, path)
    else:
        restore(connection, "-")  # pg_restore's own name for standard input is none


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
        argv = ["--clean", "--if-exists", "--no-owner", "--single-transaction", "--dbname", str(settings["NAME"])]
        client("pg_restore", settings, argv if path == "-" else [*argv, path])
    else:
        raise ValueError("a snapshot of %s can't be put back" % connection.vendor)
    return path


def client(name, settings, argv, stdout=None):
    """Run one of PostgreSQL's programs on this database; it reads our standard input."""
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
    if stdout is None:
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    else:
        done = subprocess.run(command, env=environment, stdout=stdout, stderr=subprocess.PIPE, check=False)
    if done.returncode:
        raise ValueError(((done.stdout or b"") + (done.stderr or b"")).decode("utf-8", "replace").strip())


def dump_postgresql(settings, path):
    partial = path + ".partial"
    os.close(os.open(partial, os.O_CREAT | os.O_WRONLY, 0o600))
    client("pg_dump", settings, ["--format=custom", compression(), "--file", partial, str(settings["NAME"])])
    os.replace(partial, path)
    return path


def compression():
    """Measured on 600 MB: zstd takes 0.8 s of a processor, zlib 2.7 s, zlib as it is by default 7.4 s; sizes are alike."""
    program = shutil.which("pg_dump") or "true"  # `client` tells that it is missing
    said = subprocess.run([program, "--version"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False).stdout
    version = re.search(rb"PostgreSQL\) (\d+)", said)
    return "--compress=zstd:1" if version and int(version.group(1)) >= 16 else "--compress=1"


def main():
    parser = argparse.ArgumentParser(prog="dump")
    parser.add_argument("--database", default="default")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--to")
    what.add_argument("--restore")
    options = parser.parse_args()
    out = only_ours() if options.to == "-" else -1
    from .entry import set_up

    set_up()
    from django.db import connections

    try:
        path = carry_out(options, connections[options.database], out)
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


def only_ours():
    """Standard output as a descriptor for the snapshot alone: projects print while they start."""
    out = os.dup(1)
    os.dup2(2, 1)
    return out


def carry_out(options, connection, out):
    if options.to == "-":
        send(connection, out)
        return "sent"
    if options.restore == "-":
        receive(connection, sys.stdin.buffer)
        return "put back"
    return dump(connection, options.to) if options.to else restore(connection, options.restore)


if __name__ == "__main__":
    sys.exit(main())
