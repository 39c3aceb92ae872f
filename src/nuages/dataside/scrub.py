"""scrub.py WISH: a copy of a site's database without what is personal, as an archive.

  {"verb": "columns"}                          what the models say of the tables, for the rules
  {"verb": "scrub", "to": PATH, "more": FILE}  a scrubbed dump; FILE holds {"emptied", "statements"}: too long for an argument
  {"verb": "sweep"}                            what a run that was killed left

All take "dir", "account" and "alias", as databases.py does. The copy is a database of its own, <db>-scrub: rows are loaded,
then scrubbed, and only then come indexes, foreign keys, triggers and materialized views, so that none of them ever knew
an old value. What travels is a dump of the copy, in which nothing of a dead row, of statistics or of a comment is.
"""

import contextlib
import fcntl
import json
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import time


sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))

import archive
import databases
import inside
from postgres import _in_memory as in_memory
from postgres import name as quoted
from refusal import RefusedError, run, say, start, tail, told, wish_of
from sqlite import Sqlite


LEFT_OUT = ["--no-comments", "--no-security-labels", "--no-publications", "--no-subscriptions", "--no-blobs"]


def columns(data):
    return inside.ask(data.project, ["columns"], {"alias": data.alias}, say)


def scrub(data):
    wish, database = data.wish, data.database
    with alone(wish["dir"]), workspace(data) as folder:
        room(data, folder)
        if database.vendor == "sqlite":
            result = scrub_sqlite(data)
        else:
            result = scrub_postgresql(data, folder)
        say("scrubbed %d rows" % result["rows"])
        more = {"scrubbed": {"columns": wish["columns"], "tables": len(wish["emptied"]), "rows": result["rows"]}}
        wish.update(word="scrub", more=more if wish["columns"] else {"why": "pulled as it is"})
        return across(data, folder) if wish.get("engine", database.vendor) != database.vendor else databases.dump(data)


@contextlib.contextmanager
def alone(folder):
    """One scrub of a site at a time: they share the name of their copy."""
    os.makedirs(os.path.join(folder, "run"), exist_ok=True)
    with open(os.path.join(folder, "run", ".scrub.lock"), "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise RefusedError("another scrubbed copy is being made", folder, "wait until it has ended") from None
        yield


@contextlib.contextmanager
def workspace(data):
    """A folder of our own, and no copy: before, whatever a killed run left, and after, whatever happened."""
    folder = place_of(data)
    sweep(data)
    os.makedirs(folder, mode=0o711)  # what the account is to write lies in a folder of its own in it
    try:
        yield folder
    finally:
        sweep(data)


def place_of(data):
    return os.path.join(data.wish["dir"], "run", "scrub")


def sweep(data):
    for word in ("scrub", "copy"):
        data.database.drop(data.database.beside(word))
    shutil.rmtree(place_of(data), ignore_errors=True)
    return {}


def room(data, folder):
    found, size = os.statvfs(folder), data.database.size()
    free, wanted = found.f_bavail * found.f_frsize, size * 2
    if free < wanted:
        what = "the disk is too full for a copy: about %.0f MB are needed for a while, and %.0f MB are free"
        raise RefusedError(what % (wanted / 1e6, free / 1e6), folder, "free some space and run the same command again")


# --- PostgreSQL ------------------------------------------------------------------------------------------------


def scrub_postgresql(data, folder):
    database, wish = data.database, data.wish
    raw, copy = os.path.join(folder, "raw.dump"), database.beside("scrub")
    began = time.monotonic()
    take(data, raw, wish["emptied"])
    say("copied %.1f MB in %.1f s" % (os.path.getsize(raw) / 1e6, time.monotonic() - began))
    with database.session() as session:
        extensions = database.facts(session)["extensions"]
    database.make(copy)
    for extension in extensions:
        database.order("CREATE EXTENSION IF NOT EXISTS %s" % quoted(extension), database=copy)
    with open(raw, "rb") as file:
        lines = listed(data, file, copy)
        for section in ("pre-data", "data"):
            put(data, file, copy, lines, section)
        os.unlink(raw)
        rows = inside.ask(data.project, ["scrub_words", "scrub_rows"], asked(data, copy), say)
        say("making indexes and constraints again")
        try:
            put(data, file, copy, lines, "post-data")
        except RefusedError as error:
            hint = "a rule gave two rows the same value, or took a row that others refer to: hash and email keep values apart"
            raise RefusedError("the scrubbed copy breaks a constraint", error.detail, hint) from None
    return rows


def asked(data, copy, to=""):
    """The key lives as long as this process."""
    return {"alias": data.alias, "name": copy, "statements": data.wish["statements"], "key": secrets.token_hex(16), "to": to}


def take(data, raw, emptied):
    database = data.database
    more = ["--exclude-table-data=%s" % quoted(table) for table in emptied]
    if version_of(database) >= 18:
        more.append("--no-statistics")
    argv = ["pg_dump", "--format=custom", "--compress=1", "--no-password", "--no-owner", "--no-acl", *LEFT_OUT, *more]
    with os.fdopen(os.open(raw, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600), "wb") as file:
        child = start(argv, database.account, database._environment(database.live), stdout=file, stderr=subprocess.PIPE)
        errors = child.communicate()[1]
    if child.returncode:
        raise RefusedError("pg_dump failed", tail(errors))


def version_of(database):
    said = run(["pg_dump", "--version"], database.account)
    digits = "".join(c if c.isdigit() else " " for c in said.partition(")")[2]).split()
    return int(digits[0]) if digits else 0


def listed(data, file, copy):
    lines = restore(data, file, copy, ["--list"]).decode("utf-8", "replace").splitlines()
    return [line for line in lines if " EXTENSION " not in line.partition(" - ")[0] + " "]


def put(data, file, copy, lines, section):
    with in_memory("\n".join(lines) + "\n") as listing:
        argv = ["--section=" + section, "--no-owner", "--no-acl", "--exit-on-error", "--dbname", copy]
        restore(data, file, copy, [*argv, "--use-list", "/dev/fd/%d" % listing], (listing,))


def restore(data, file, copy, argv, descriptors=()):
    """From a file of root's that the account is handed open: each section is read from its beginning."""
    file.seek(0)
    database = data.database
    child = start(
        ["pg_restore", *argv],
        database.account,
        database._environment(copy),
        stdin=file,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pass_fds=descriptors,
    )
    out, errors = child.communicate()
    if child.returncode:
        raise RefusedError("the copy could not be loaded", tail(errors))
    return out


def across(data, folder):
    """The copy's rows in a file of SQLite, for a machine without PostgreSQL: as the project's own migrations make it."""
    own = os.path.join(folder, "out")
    os.mkdir(own, 0o700)
    if data.project.account and os.geteuid() == 0:
        found = pwd.getpwnam(data.project.account)
        os.chown(own, found.pw_uid, found.pw_gid)
    path = os.path.join(own, "it.sqlite3")
    asked = {"verb": "copy", "alias": data.alias, "source": {"name": data.database.beside("scrub")}, "target": {"sqlite": path}}
    answer = inside.ask(data.project, inside.ACROSS, asked, say)
    if answer["left"]:
        say("left out, for no model and no migration names them: " + ", ".join(answer["left"]))
    made = Sqlite({"name": path}, data.project.account)
    with archive.Writer(data.wish["to"], "database.sqlite3") as writer:
        held = made.dump(writer)
        return {"manifest": writer.finish({**databases.about(data), **held, "engine": "sqlite", **data.wish["more"]})}


# --- SQLite ----------------------------------------------------------------------------------------------------


def scrub_sqlite(data):
    database = data.database
    raw, copy = database.beside("copy"), database.beside("scrub")
    database._do("copy", database.live, raw)
    say("copied %.1f MB" % (database.size(raw) / 1e6))
    try:
        return inside.ask(data.project, ["scrub_words", "scrub_rows"], asked(data, raw, copy), say)
    finally:
        database.drop(raw)


VERBS = {"columns": columns, "scrub": scrub, "sweep": sweep}


def end(*_signal):
    sys.exit(143)  # what is under `finally` happens


def main():
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, end)
    wish = wish_of(sys.argv)
    if wish.get("more"):
        with open(wish.pop("more"), encoding="utf-8") as file:
            wish.update(json.load(file))
    print(json.dumps(VERBS[wish["verb"]](databases.Data(wish))), flush=True)


if __name__ == "__main__":
    sys.exit(told(main))
