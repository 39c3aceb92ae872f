"""What survives a death: JSON files replaced whole, and processes known by pid and start time."""

import fcntl
import json
import os
import subprocess
import sys
import time


LINUX = sys.platform.startswith("linux")


def write_json(path, value, mode=0o600):
    temporary = "%s.%d.tmp" % (path, os.getpid())
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(fd, "w", encoding="utf-8") as file:
        json.dump(value, file)
    os.replace(temporary, path)


def read_json(path):
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError):
        return None


def hold_lock(path, timeout=10):
    """An exclusive lock that the kernel takes back when we die; the file itself stays."""
    file = open(path, "a")  # noqa: SIM115
    deadline = time.monotonic() + timeout
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return file


def start_token(pid):
    """A text that no other process ever has, or None when the pid is gone or a zombie.

    A pid alone is not enough: after a reboot, or a wrap of the counter, it belongs to a stranger.
    """
    return _linux_token(pid) if LINUX else _ps_token(pid)


def _linux_token(pid):
    try:
        with open("/proc/%d/stat" % pid, "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    if fields[0] in (b"Z", b"X"):
        return None
    return "%s/%s" % (_boot_id(), fields[19].decode())


_boot = []


def _boot_id():
    if not _boot:
        try:
            with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
                _boot.append(file.read().strip())
        except OSError:
            _boot.append("unknown-boot")
    return _boot[0]


def _ps_token(pid):
    answer = subprocess.run(
        ["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout.split(None, 1)
    if len(answer) != 2 or answer[0].startswith("Z"):
        return None
    return answer[1].strip()


def is_alive(pid, token):
    return pid is not None and token is not None and start_token(pid) == token


def group_exists(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # macOS answers so for a group of zombies; the kill deadline bounds the wait
    return True


def kill_group(group, signum):
    try:
        os.killpg(group, signum)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def memory_by_group():
    """Resident kilobytes of every process group."""
    sizes = {}
    if not LINUX:
        rows = subprocess.run(["ps", "-axo", "pgid=,rss="], capture_output=True, text=True, check=False).stdout
        for row in rows.splitlines():
            group, size = row.split()[:2]
            sizes[int(group)] = sizes.get(int(group), 0) + int(size)
        return sizes
    page = os.sysconf("SC_PAGE_SIZE") // 1024
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open("/proc/%s/stat" % name, "rb") as file:
                    fields = file.read().rpartition(b")")[2].split()
            except OSError:
                continue
            group = int(fields[2])
            sizes[group] = sizes.get(group, 0) + int(fields[21]) * page
    return sizes


def reap_children():
    """Collect every child that has ended: {pid: wait status}. Orphans of a dead sibling are among them."""
    ended = {}
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return ended
        if pid == 0:
            return ended
        ended[pid] = status


def describe_status(status):
    if status is None:
        return "ended"
    if os.WIFSIGNALED(status):
        signum = os.WTERMSIG(status)
        return "was killed by signal %d%s" % (signum, " (out of memory?)" if signum == 9 else "")
    return "exited with status %d" % os.WEXITSTATUS(status)


def wait_until(condition, timeout, pause=0.03):
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(pause)
    return condition()
