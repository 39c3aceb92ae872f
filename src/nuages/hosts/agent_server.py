"""What the agent can do on servers: pieces of a build that arrive and are put in place, scratch folders. Stdlib only, Python 3.9+.

It is sent beside agent.py and loaded into a namespace of its own when something of it is asked for.
"""

import contextlib
import hashlib
import json
import os
import shutil
import stat
import sys
import tempfile
import time
import zlib

from agent import CALLER, READS, WRITES, StepFailed, ids, say


SCRATCH = "/var/lib/nuages/scratch"
DAY = 86400
CHUNK = 1 << 20


# --- scratch: a private folder for as long as a question takes ---------------------------------------------------


def read_scratch(files, links=None, owner="", modes=None):
    """A folder of the account's own, 0700, with these files (0600) in it; leftovers of yesterday go."""
    base = _scratch_base()
    _sweep_scratch(base)
    folder = tempfile.mkdtemp(prefix="nuages-", dir=base)
    uid, gid = _account(owner)
    for name, text in files.items():
        path = _inside(folder, name)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, (modes or {}).get(name, 0o600))
    for name, target in (links or {}).items():
        os.symlink(target, _inside(folder, name))
    for parent, folders, names in os.walk(folder):
        for name in folders + names:
            os.chown(os.path.join(parent, name), uid, gid, follow_symlinks=False)
    os.chown(folder, uid, gid)
    return {"path": folder}


def _account(owner):
    if not owner:
        return -1, -1
    import pwd

    return ids(owner, None)[0], pwd.getpwnam(owner).pw_gid


def _inside(folder, name):
    path = os.path.normpath(os.path.join(folder, name))
    if not path.startswith(folder + os.sep):
        raise StepFailed("%s is outside of its folder" % name)
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    return path


def _scratch_base():
    if not CALLER:  # on the machine of whoever runs nuages
        return tempfile.gettempdir()
    os.makedirs(SCRATCH, exist_ok=True)
    os.chmod(SCRATCH, 0o711)  # an account reaches its own folder by name, and sees no other's
    return SCRATCH


def _sweep_scratch(base):
    for name in os.listdir(base):
        path = os.path.join(base, name)
        with contextlib.suppress(OSError):
            info = os.lstat(path)
            old = time.time() - info.st_mtime > DAY
            if (
                name.startswith("nuages-")
                and old
                and stat.S_ISDIR(info.st_mode)
                and (base == SCRATCH or info.st_uid == os.geteuid())
            ):
                shutil.rmtree(path)


def read_unscratch(path):
    if os.path.dirname(path) == _scratch_base() and os.path.basename(path).startswith("nuages-"):
        shutil.rmtree(path, ignore_errors=True)
    return {}


# --- pieces: files named by their digest -------------------------------------------------------------------------


def piece_path(store, digest):
    return os.path.join(store, digest[:2], digest)


def read_lacking(store, pieces):
    """Which of these (digest -> size) the store lacks. A power loss may have left an empty file under the right name."""
    return [digest for digest, size in pieces.items() if _size(piece_path(store, digest)) != size]


def _size(path):
    try:
        return os.stat(path).st_size
    except OSError:
        return -1


def read_receive(store):
    """Take pieces from standard input, each a line `digest size packed` and its bytes (`packed`: how many where they are
    compressed, else 0), until a line says `end`. Each is there whole or not at all."""
    # What comes before the site has an account is root's alone; `makedirs` gives folders on the way no mode.
    os.makedirs(os.path.dirname(store), mode=0o700, exist_ok=True)
    os.makedirs(store, mode=0o700, exist_ok=True)
    count = 0
    while True:
        line = sys.stdin.buffer.readline().decode("ascii")
        if line == "end\n":
            break
        if not line.endswith("\n"):
            raise StepFailed("the connection ended before the last piece", "", "run the same command again: what arrived is kept")
        digest, size, packed = line.split()
        _receive(store, digest, int(size), int(packed))
        count += 1
    _sync(store)  # once for all: fsync for each would take longer than sending them
    return {"pieces": count}


def _sync(path):
    """syncfs(2): what was written to this file system is on its disk. Others' disks don't matter."""
    import ctypes

    descriptor = os.open(path, os.O_RDONLY)
    try:
        ctypes.CDLL(None).syncfs(descriptor)
    except (AttributeError, OSError):
        os.sync()
    finally:
        os.close(descriptor)


def _receive(store, digest, size, packed):
    place = piece_path(store, digest)
    os.makedirs(os.path.dirname(place), mode=0o700, exist_ok=True)
    partial = "%s.%d.partial" % (place, os.getpid())
    seen = hashlib.sha256()
    try:
        with open(partial, "wb") as file:
            left = size
            for chunk in _chunks(packed or size, bool(packed)):
                left -= len(chunk)
                if left < 0:
                    break
                seen.update(chunk)
                file.write(chunk)
        if seen.hexdigest() != digest:
            raise StepFailed("a piece arrived with another content than it was sent with", digest, "run the same command again")
        os.chmod(partial, 0o644)
        os.replace(partial, place)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(partial)
        raise


def _chunks(length, packed):
    unpack = zlib.decompressobj() if packed else None
    while length:
        chunk = sys.stdin.buffer.read(min(CHUNK, length))
        if not chunk:
            raise StepFailed("the connection ended within a piece", "", "run the same command again: what arrived is kept")
        length -= len(chunk)
        yield from _unpacked(unpack, chunk) if unpack else (chunk,)
    if unpack:
        yield unpack.flush()


def _unpacked(unpack, chunk):
    """Piece by piece: what is packed may be a thousand times as long."""
    while chunk:
        yield unpack.decompress(chunk, CHUNK)
        chunk = unpack.unconsumed_tail


def write_assemble(store, to, entries):
    """Make a folder of pieces: [[path, "f" | "l" | "d", digest or target, mode], ...], or {"piece": digest of such a list}.

    Hard links, so that releases share what they have in common. Whole or not at all; one that is there already stays.
    """
    if isinstance(entries, dict):
        with open(piece_path(store, entries["piece"]), encoding="utf-8") as file:
            entries = json.load(file)
    if os.path.isdir(to):
        return
    partial = to + ".partial"
    shutil.rmtree(partial, ignore_errors=True)
    os.makedirs(partial)
    os.chmod(partial, 0o755)
    folders = []
    for name, kind, what, mode in entries:
        path = os.path.join(partial, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if kind == "d":
            os.makedirs(path, exist_ok=True)
            folders.append((path, mode))
        elif kind == "l":
            os.symlink(what, path)
        else:
            _link_piece(store, what, path, mode)
    for path, mode in reversed(folders):
        os.chmod(path, mode)
    _sync(partial)
    os.rename(partial, to)


def _link_piece(store, digest, path, mode):
    """A mode belongs to the file and not to its name: a piece that is wanted with two modes is kept twice."""
    source = piece_path(store, digest)
    if stat.S_IMODE(_stat(source, digest).st_mode) != mode:
        source = _variant(source, mode)
    try:
        os.link(source, path)
    except OSError:  # another file system, no hard links, or as many as one file may have
        shutil.copyfile(source, path)
        os.chmod(path, mode)


def _stat(source, digest):
    try:
        return os.stat(source)
    except OSError:
        raise StepFailed("piece %s is not in the store" % digest[:12], source, "run the same command again: it is sent then")


def _variant(source, mode):
    variant = "%s-%o" % (source, mode)
    if not os.path.exists(variant):
        partial = "%s.%d.partial" % (variant, os.getpid())
        shutil.copyfile(source, partial)
        os.chmod(partial, mode)
        os.replace(partial, variant)
    return variant


def write_sweep(store, spare=0):
    """Remove pieces that no build is made of any more, and what a connection left half-way. `spare`: what came within so
    many seconds stays, for somebody else may be sending a build whose turn has not come."""
    freed, before = 0, time.time() - spare
    for folder, _folders, names in os.walk(store):
        for name in names:
            path = os.path.join(folder, name)
            info = os.lstat(path)
            if info.st_mtime <= before and (info.st_nlink == 1 or name.endswith(".partial")):
                os.unlink(path)
                freed += info.st_size
    say("output", line="%.1f MB of old pieces removed" % (freed / 1e6))


# --- a file on its way to the client ------------------------------------------------------------------------------


def read_send(path):
    """Told in parts as it is read; the answer is its size and digest."""
    import base64

    seen, size = hashlib.sha256(), 0
    with open(path, "rb") as file:
        say("size", bytes=os.fstat(file.fileno()).st_size)
        for chunk in iter(lambda: file.read(192 << 10), b""):
            seen.update(chunk)
            size += len(chunk)
            say("part", data=base64.b64encode(chunk).decode("ascii"))
    return {"size": size, "sha256": seen.hexdigest()}


READS.update(
    {"send": read_send, "scratch": read_scratch, "unscratch": read_unscratch, "lacking": read_lacking, "receive": read_receive}
)
WRITES.update({"assemble": write_assemble, "sweep": write_sweep})
