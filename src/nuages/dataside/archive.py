"""A dump and what it holds, in one tar that any tar(1) opens: the database first, then `manifest.json`.

The database is written as it comes, and its size is put into the header afterwards, so that nothing lies twice on the disk.
"""

import contextlib
import hashlib
import io
import json
import os
import tarfile
import time

from refusal import RefusedError


BLOCK = 512
MANIFEST = "manifest.json"
SNAPSHOTS = {".dump": "postgresql", ".sqlite3": "sqlite"}  # what a deploy takes before a migration


def header(name, size):
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = size, 0o600, int(time.time())
    return info.tobuf(tarfile.GNU_FORMAT)  # takes sizes over 8 GB


class Writer:
    """`path` appears when it is whole. A program's output is taken by `take`, in a thread where something else goes on."""

    def __init__(self, path, member):
        self.path, self.member, self.partial = path, member, path + ".partial"
        self.size, self.seen, self.failed = 0, hashlib.sha256(), None
        os.makedirs(os.path.dirname(path) or ".", mode=0o700, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.partial)
        self.file = os.fdopen(os.open(self.partial, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "r+b")

    def __enter__(self):
        return self

    def __exit__(self, *error):
        with contextlib.suppress(OSError):
            self.file.close()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.partial)

    def take(self, pipe):
        """A pipe, since pg_dump notes places in a file that it can seek in, and ours begins behind a header."""
        try:
            self.file.write(header(self.member, 0))
            with pipe:
                for chunk in iter(lambda: pipe.read(1 << 20), b""):
                    self.file.write(chunk)
                    self.seen.update(chunk)
                    self.size += len(chunk)
        except OSError as error:
            self.failed = error

    def finish(self, manifest):
        """The manifest, with the size and digest of the database, and the archive under its name."""
        if self.failed:
            raise self.failed
        manifest = {**manifest, "bytes": self.size, "sha256": self.seen.hexdigest()}
        text = json.dumps(manifest, indent=1).encode()
        self.file.write(b"\0" * (-self.size % BLOCK))
        self.file.write(header(MANIFEST, len(text)) + text + b"\0" * (-len(text) % BLOCK + 2 * BLOCK))
        self.file.seek(0)
        self.file.write(header(self.member, self.size))
        self.file.flush()
        os.fsync(self.file.fileno())
        os.replace(self.partial, self.path)
        return manifest


def digest_of(file, size):
    seen, left = hashlib.sha256(), size
    while left:
        chunk = file.read(min(1 << 20, left))
        if not chunk:
            break
        seen.update(chunk)
        left -= len(chunk)
    return seen.hexdigest()


@contextlib.contextmanager
def opened(path):
    """(manifest, the database as a binary file). Raises RefusedError where it is no archive of ours, or a damaged one.

    A snapshot of a deploy is a bare database: its manifest tells no contents ("tables" is None)."""
    try:
        if bare(path):
            with open(path, "rb") as file:
                yield manifest_of(path), file
            return
        with tarfile.open(path, "r:") as tar:
            names = tar.getnames()
            if MANIFEST not in names:
                raise RefusedError("this is no dump of Nuages, or it was cut off", "it has: " + ", ".join(names[:5]))
            manifest = json.load(io.TextIOWrapper(tar.extractfile(MANIFEST), encoding="utf-8"))
            if manifest.get("format", 0) > 1:
                raise RefusedError("this dump was made by a newer Nuages", "", "upgrade Nuages here")
            member = tar.extractfile(next(name for name in names if name.startswith("database.")))
            if digest_of(member, manifest["bytes"]) != manifest["sha256"]:
                raise RefusedError("the dump is damaged: its content is not what was written")
            member.seek(0)
            yield manifest, member
    except (tarfile.TarError, EOFError, ValueError, StopIteration) as error:
        raise RefusedError(
            "this is no dump of Nuages", str(error), "one is made by nuages db backup, or listed by nuages db list"
        ) from None
    except FileNotFoundError:
        raise RefusedError("there is no such dump", path, "nuages db list") from None


def manifest_of(path):
    """Without reading the database; None where it is no archive of ours."""
    if bare(path):
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(os.path.getmtime(path)))
        return {"engine": SNAPSHOTS[os.path.splitext(path)[1]], "at": at, "tables": None, "bytes": os.path.getsize(path)}
    with contextlib.suppress(OSError, tarfile.TarError, ValueError, KeyError), tarfile.open(path, "r:") as tar:
        return json.load(io.TextIOWrapper(tar.extractfile(MANIFEST), encoding="utf-8"))
    return None


def bare(path):
    """Is it a snapshot of a deploy?"""
    return os.path.splitext(path)[1] in SNAPSHOTS and os.path.exists(path)
