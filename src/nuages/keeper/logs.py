"""Logs that need nobody: processes append to the file themselves, so no death of ours can block or lose a line.

The price is that rotation must copy and truncate. Between the last read and the truncation the writers are
stopped for some milliseconds (SIGSTOP to their groups); whoever comes after a death there continues them first.
"""

import os
import shutil
import signal
import time

from state import kill_group


LIMIT = 10 * 1024 * 1024
KEEP = 5


def rotate(path, groups, limit=LIMIT, keep=KEEP):
    try:
        if os.path.getsize(path) < limit:
            return False
    except OSError:
        return False
    fresh = path + ".next"
    with open(path, "rb") as source, open(fresh, "wb") as copy:
        os.chmod(fresh, 0o600)
        shutil.copyfileobj(source, copy, 1 << 20)
        try:
            for group in groups:
                kill_group(group, signal.SIGSTOP)
            _wait_for_silence(path)
            shutil.copyfileobj(source, copy, 1 << 20)
            os.truncate(path, 0)
        finally:
            for group in groups:
                kill_group(group, signal.SIGCONT)
    for number in range(keep - 1, 0, -1):
        if os.path.exists("%s.%d" % (path, number)):
            os.replace("%s.%d" % (path, number), "%s.%d" % (path, number + 1))
    os.replace(fresh, path + ".1")
    return True


def _wait_for_silence(path):
    """A stop signal ends a write that is under way, which the size shows."""
    size, quiet = -1, 0
    for _turn in range(200):
        time.sleep(0.001)
        now = os.path.getsize(path)
        quiet = quiet + 1 if now == size else 0
        size = now
        if quiet >= 3:
            return
