"""Copy a SQLite database while it is in use: `python snapshot.py FROM TO`. Stdlib only; also `--restore`.

The backup API sees one consistent state, WAL included, and does not block readers; the copy appears under its name
only when it is whole.
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import time


def copy_database(source, target):
    """Bytes copied. `target` gets the mode of `source` narrowed to its owner."""
    partial = target + ".partial"
    if os.path.dirname(target):
        os.makedirs(os.path.dirname(target), exist_ok=True)
    if os.path.exists(partial):
        os.remove(partial)
    os.close(os.open(partial, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600))
    old = sqlite3.connect("file:%s?mode=ro" % quote(source), uri=True, timeout=30)
    new = sqlite3.connect(partial)
    try:
        old.backup(new)
    finally:
        new.close()
        old.close()
    os.replace(partial, target)
    return os.path.getsize(target)


def restore(snapshot, target):
    """Put a snapshot back under a database that nobody has open, or whose users tolerate it: page by page, in place."""
    # Opened as a database in WAL mode, which it is a copy of, it would get files beside it that outlive it.
    alone = "" if os.path.exists(snapshot + "-wal") else "&immutable=1"
    old = sqlite3.connect("file:%s?mode=ro%s" % (quote(snapshot), alone), uri=True)
    new = sqlite3.connect(target, timeout=30)
    try:
        old.backup(new)
    finally:
        new.close()
        old.close()
    return os.path.getsize(target)


def quote(path):
    return os.path.abspath(path).replace("%", "%25").replace("?", "%3f").replace("#", "%23")


def main(argv):
    words = [word for word in argv if word != "--restore"]
    started = time.monotonic()
    try:
        size = (restore if "--restore" in argv else copy_database)(*words)
    except (sqlite3.Error, OSError) as error:
        print(json.dumps({"error": "the snapshot failed", "detail": str(error), "hint": ""}))
        return 1
    print(json.dumps({"bytes": size, "seconds": round(time.monotonic() - started, 3)}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
