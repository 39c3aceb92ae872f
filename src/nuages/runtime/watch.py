"""Tells systemd that this worker is alive (sd_notify(3)), and ends a sibling that is not.

A worker whose interpreter is stuck keeps accepting, and its requests hang; Granian does not see it. Each worker writes
the time into a file of its own, and kills the sibling whose file has become old: its parent starts another. When all
are stuck nobody tells systemd, which then starts the whole anew (WatchdogSec).
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
import time


PERIOD = 5.0
STUCK = 60.0


def begin():
    """Nothing where no watchdog is asked for: on this machine, and by hand."""
    if os.environ.get("WATCHDOG_USEC") and os.environ.get("NOTIFY_SOCKET") and os.environ.get("NUAGES_RUNTIME"):
        folder = os.path.join(os.environ["NUAGES_RUNTIME"], "alive")
        threading.Thread(target=Watch(folder).run, name="nuages-watch", daemon=True).start()


class Watch:
    """`clock` does not jump, and is the same for all processes of the machine."""

    def __init__(self, folder, clock=time.monotonic, kill=os.kill):
        self.folder = folder
        self.clock = clock
        self.kill = kill
        self.me = str(os.getpid())
        self.parent = os.getppid()
        self.quiet_until = clock() + STUCK

    def run(self):
        last = self.clock()
        while True:
            with contextlib.suppress(OSError):
                if self.clock() - last > 2 * PERIOD:
                    self.quiet_until = self.clock() + STUCK  # it was this machine that stood still, and the siblings too
                last = self.clock()
                self.beat()
                if last > self.quiet_until:
                    self.look()
                tell("WATCHDOG=1")
            time.sleep(PERIOD)

    def beat(self):
        os.makedirs(self.folder, exist_ok=True)
        partial = os.path.join(self.folder, "." + self.me)
        with open(partial, "w", encoding="ascii") as file:
            file.write("%d %f" % (self.parent, self.clock()))
        os.replace(partial, os.path.join(self.folder, self.me))

    def look(self):
        for name in os.listdir(self.folder):
            if name.isdigit() and name != self.me:
                self.judge(name)

    def judge(self, name):
        path = os.path.join(self.folder, name)
        try:
            with open(path, encoding="ascii") as file:
                parent, at = file.read().split()
        except (OSError, ValueError):
            return
        if self.clock() - float(at) < STUCK:
            return
        with contextlib.suppress(OSError):
            os.unlink(path)
        if int(parent) == self.parent and parent_of(name) == parent:  # and not a stranger with its old number
            print("worker %s has not moved for %d seconds and is ended" % (name, STUCK), flush=True)
            self.kill(int(name), signal.SIGKILL)


def parent_of(pid):
    try:
        with open("/proc/%s/stat" % pid, encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[1]
    except (OSError, IndexError):
        return ""


def tell(text):
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.connect(address)
        channel.send(text.encode())
