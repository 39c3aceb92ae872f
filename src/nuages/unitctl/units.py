"""systemctl, always with a limit: on some hosts it has been seen to wait for ever."""

import contextlib
import os
import signal
import subprocess
import time

from state import RefusedError


PROPERTIES = (
    "Id", "LoadState", "ActiveState", "SubState", "MainPID", "NRestarts", "ExecMainStartTimestampMonotonic",
    "ExecMainCode", "ExecMainStatus", "ControlGroup", "Result", "NeedDaemonReload",
)  # fmt: skip
CGROUPS = ("/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd")
GONE = ("inactive", "failed")


def systemctl(*words, timeout=20.0, may_fail=False):
    command = ["systemctl", "--no-pager", "--no-ask-password", *words]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, check=False)
    except subprocess.TimeoutExpired:
        if may_fail:
            return ""
        raise RefusedError("systemctl %s gave no answer within %g seconds" % (words[0], timeout), " ".join(words)) from None
    except OSError as error:
        raise RefusedError("this host has no systemctl", str(error), "the site needs a system with systemd") from error
    if done.returncode and not may_fail:
        raise RefusedError("systemctl %s failed" % words[0], (done.stderr or done.stdout).strip()[-2000:])
    return done.stdout


def show(units):
    """{unit: {property: text}} with one question."""
    units = list(units)
    if not units:
        return {}
    said = systemctl("show", "--property=" + ",".join(PROPERTIES), *units, timeout=10)
    blocks = [dict(line.split("=", 1) for line in block.splitlines() if "=" in line) for block in said.split("\n\n")]
    return dict(zip(units, [block for block in blocks if block]))


def start(units):
    if units:
        systemctl("start", "--no-block", *units)


def stop(units):
    """Asked only: systemd ends them within their TimeoutStopSec, whatever becomes of us."""
    if units:
        systemctl("stop", "--no-block", *units)


def reset(units):
    if units:
        systemctl("reset-failed", *units, may_fail=True)


def running(units):
    return [unit for unit, found in show(units).items() if found.get("ActiveState") not in GONE]


def wait_gone(units, bound):
    deadline = time.monotonic() + bound
    while True:
        left = running(units)
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.05)


def end(units, bound):
    """Stopped within `bound` seconds, killed after it. What still runs then is returned."""
    stop(units)
    left = wait_gone(units, bound)
    if not left:
        return []
    systemctl("kill", "--signal=SIGKILL", *left, may_fail=True)
    for found in show(left).values():  # in a container systemctl kill can be refused by the kernel
        for pid in pids(found):
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
    return wait_gone(left, 5)


def pids(found):
    group = found.get("ControlGroup")
    for root in CGROUPS if group else ():
        try:
            with open(root + group + "/cgroup.procs", encoding="ascii") as file:
                return [int(line) for line in file]
        except (OSError, ValueError):
            continue
    return []


def memory_kb(found):
    """Resident memory of all its processes; pages that they share count for each, as in `ps`."""
    total = 0
    for pid in pids(found):
        try:
            with open("/proc/%d/statm" % pid, encoding="ascii") as file:
                total += int(file.read().split()[1])
        except (OSError, ValueError, IndexError):
            continue
    return total * (os.sysconf("SC_PAGE_SIZE") // 1024)


def started(found):
    """Seconds since the epoch, or None. systemd tells it by a clock that does not jump."""
    ticks = int(found.get("ExecMainStartTimestampMonotonic") or 0)
    return time.time() - (time.clock_gettime(time.CLOCK_MONOTONIC) - ticks / 1e6) if ticks else None
