"""A SQLite database: copied while it is in use, loaded beside itself, put back in place.

What touches the files runs as the site's account (this file is sent to another Python on its standard input), since the
folder is that account's and may hold links of its making. The live file is never replaced by another: processes that
have it open would go on writing to the one that is gone. Its pages are, in one transaction of SQLite's own.
"""

import contextlib
import json
import os
import sqlite3
import subprocess
import sys


PATIENCE = 30  # seconds for a writer to let us in


def reader(path):
    quoted = os.path.abspath(path).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    return sqlite3.connect("file:%s?mode=ro" % quoted, uri=True, timeout=PATIENCE)


def copy(source, target):
    """A consistent copy, whole or not at all."""
    partial = target + ".partial"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(partial)
    os.close(os.open(partial, os.O_CREAT | os.O_WRONLY | os.O_EXCL | os.O_NOFOLLOW, 0o600))
    with contextlib.closing(reader(source)) as old, contextlib.closing(sqlite3.connect(partial)) as new:
        old.backup(new)
        new.execute("PRAGMA journal_mode=DELETE")  # one file: a copy in WAL mode would get two more when it is read
    os.replace(partial, target)


def contents(path):
    with contextlib.closing(reader(path)) as db:
        listed = db.execute("SELECT name FROM sqlite_master WHERE type='table' AND sql NOT LIKE 'CREATE VIRTUAL%' ORDER BY name")
        names = [row[0] for row in listed if not row[0].startswith("sqlite_stat")]
        tables = {n: db.execute("SELECT count(*) FROM %s" % quoted(n)).fetchone()[0] for n in names}
        sequences = dict(db.execute("SELECT name, seq FROM sqlite_sequence")) if "sqlite_sequence" in tables else {}
        recorded = "SELECT app, name FROM django_migrations ORDER BY id"
        migrations = [list(row) for row in db.execute(recorded)] if "django_migrations" in tables else []
    return {
        "tables": tables,
        "sequences": sequences,
        "migrations": migrations,
        "extensions": [],
        "version": sqlite3.sqlite_version,
    }


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


def send(path):
    """A copy to standard output; its contents, as JSON, to standard error."""
    beside = path + "-sent"
    try:
        copy(path, beside)
        told = contents(beside)
        with open(beside, "rb") as file:
            pour(file, sys.stdout.buffer)
        sys.stdout.buffer.flush()
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(beside)
    return told


def receive(path, source):
    """From the open file of that number: standard input brought the program."""
    descriptor = os.open(path + ".partial", os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        pour(os.fdopen(int(source), "rb"), file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(path + ".partial", path)
    with contextlib.closing(reader(path)) as db:
        wrong = db.execute("PRAGMA quick_check").fetchone()[0]
    if wrong != "ok":
        raise ValueError("the copy is damaged: %s" % wrong)


def pour(source, target):
    while True:
        chunk = source.read(1 << 20)
        if not chunk:
            return
        target.write(chunk)


def swap(live, new, kept):
    """The live database gets the pages of `new` in one transaction; what it was is `kept`. Whoever writes between the two
    is noticed, and the copy is taken again."""
    with contextlib.closing(sqlite3.connect(live, timeout=PATIENCE)) as db:
        mode = db.execute("PRAGMA journal_mode").fetchone()[0]
        for _attempt in range(20):
            before = db.execute("PRAGMA data_version").fetchone()[0]
            copy(live, kept)
            if db.execute("PRAGMA data_version").fetchone()[0] == before:
                break
        with contextlib.closing(reader(new)) as source:
            source.backup(db)
        db.execute("PRAGMA journal_mode=%s" % mode)
    gone(new)


def gone(path):
    for ending in ("", "-wal", "-shm", "-journal", ".partial"):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path + ending)


def kept(path):
    folder, base = os.path.split(path)
    found = [n for n in os.listdir(folder or ".") if n.startswith(base + "-before-") or n in [base + "-" + w for w in SCRATCH]]
    found = [n for n in sorted(found) if not n.endswith(("-wal", "-shm", "-journal", ".partial"))]
    return [{"name": n, "bytes": os.path.getsize(os.path.join(folder, n)), "scratch": "-before-" not in n} for n in found]


def size(path):
    return sum(os.path.getsize(path + ending) for ending in ("", "-wal") if os.path.exists(path + ending))


SCRATCH = ("restore", "verify", "scrub", "copy")
JOBS = {
    "contents": contents,
    "send": send,
    "receive": receive,
    "swap": swap,
    "gone": gone,
    "kept": kept,
    "size": size,
    "copy": copy,
    "exists": os.path.exists,
}


def work(job, *paths):
    """As another process of the account; its answer goes to standard error, for output may be a database."""
    try:
        answer = JOBS[job](*paths)
    except (sqlite3.Error, OSError, ValueError) as error:
        answer = {
            "error": "%s: %s" % (type(error).__name__, error),
            "full": "full" in str(error) or getattr(error, "errno", 0) == 28,
        }
    os.write(2, b"\x1e" + json.dumps(answer).encode() + b"\n")


class Sqlite:
    vendor, ending = "sqlite", "sqlite3"

    def __init__(self, entry, account=""):
        self.entry, self.account, self.live = entry, account, entry["name"]

    def _do(self, job, *paths, out=None, source=None):
        from refusal import RefusedError, start, tail

        with open(os.path.abspath(__file__), encoding="utf-8") as file:
            program = file.read()
        argv = [sys.executable, "-I", "-S", "-", job, *paths, *([] if source is None else [str(source)])]
        given = {} if source is None else {"pass_fds": (source,)}
        pipe = subprocess.PIPE
        child = start(argv, self.account, stdin=pipe, stdout=pipe, stderr=pipe, **given)
        if out is None:
            errors = child.communicate(program.encode())[1]
        else:
            with child.stdin as words:
                words.write(program.encode())
            out.take(child.stdout)
            child.stdin = child.stdout = None
            errors = child.communicate()[1]
        for line in errors.decode("utf-8", "replace").split("\n"):
            if line.startswith("\x1e"):
                answer = json.loads(line[1:])
                if isinstance(answer, dict) and "error" in answer:
                    what = "the disk is full" if answer["full"] else "SQLite could not %s" % job
                    raise RefusedError(what, answer["error"])
                return answer
        raise RefusedError("SQLite could not %s" % job, tail(errors))

    def size(self, database=""):
        return int(self._do("size", database or self.live))

    def dump(self, out, database="", *, compress=True):
        return self._do("send", database or self.live, out=out)

    def contents_of(self, database):
        return self._do("contents", database or self.live)

    def beside(self, word):
        return "%s-%s" % (self.live, word)

    def make(self, database):
        self.drop(database)

    def load(self, stream, database, manifest):
        """From a pipe: the stream may be a member of an archive."""
        import threading

        read, write = os.pipe()

        def feed():
            with contextlib.suppress(OSError), os.fdopen(write, "wb") as pipe:
                pour(stream, pipe)

        feeder = threading.Thread(target=feed, daemon=True)
        feeder.start()
        try:
            self._do("receive", database, source=read)
        finally:
            os.close(read)
            feeder.join()

    def swap(self, new, kept):
        self._do("swap", self.live, new, kept)

    def drop(self, database):
        self._do("gone", database)

    def exists(self, database):
        return bool(self._do("exists", database))

    def kept(self):
        return self._do("kept", self.live)


if __name__ == "__main__" and len(sys.argv) > 1:
    work(*sys.argv[1:])
