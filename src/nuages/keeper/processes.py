"""One process of a generation: started, watched by pid and start time, stopped within a bound."""

import contextlib
import os
import signal
import time

from spawn import fork_process
from state import describe_status, group_exists, is_alive, kill_group


LONGEST_BACKOFF = 30.0
SETTLED = 60.0  # alive for so long, a process starts again with no wait


class Process:
    """`pid` leads a session and a process group of its own; `group` is remembered until nobody is left in it."""

    KEPT = (
        "pid",
        "token",
        "group",
        "started",
        "restarts",
        "crashes",
        "stopping",
        "kill_at",
        "log_from",
        "ended",
    )

    def __init__(self, spec, index, kept=None):
        self.spec = spec
        self.index = index
        self.pid = self.token = self.group = self.started = self.kill_at = self.ended = None
        self.restarts = self.crashes = self.log_from = 0
        self.stopping = False
        self.next_start = 0.0
        for name, value in (kept or {}).items():
            if name in self.KEPT:
                setattr(self, name, value)

    @property
    def key(self):
        return "%s.%d" % (self.spec["name"], self.index)

    @property
    def kind(self):
        return self.spec.get("kind", "worker")

    @property
    def drain(self):
        return float(self.spec.get("drain", 30))

    def kept(self):
        return {name: getattr(self, name) for name in self.KEPT}

    def is_running(self):
        return self.pid is not None

    def is_gone(self):
        return self.pid is None and self.group is None

    def start(self, env, listeners, save):
        def record(pid, token):
            self.pid, self.token, self.group = pid, token, pid
            self.started, self.ended, self.stopping, self.kill_at = time.time(), None, False, None
            save()

        log = self.spec["log"]
        os.makedirs(os.path.dirname(log), exist_ok=True)
        self.log_from = os.path.getsize(log) if os.path.exists(log) else 0
        environment = dict(self.spec["env"], **env)
        shared = listeners if self.spec.get("socket") else []
        fork_process(self.spec["argv"], environment, self.spec["cwd"], log, shared, record)

    def stop(self, bound=None):
        """Ask the leader to end; whoever is left of its group after `bound` seconds is killed."""
        if self.stopping or self.group is None:
            return
        self.stopping = True
        self.kill_at = time.time() + (self.drain if bound is None else bound)
        if self.pid is not None:
            _signal(self.pid, signal.SIGTERM)

    def watch(self, statuses):
        """See whether it has ended; True when this is news."""
        died = self.pid is not None and not is_alive(self.pid, self.token)
        if died:
            self._note_end(describe_status(statuses.get(self.pid)))
        if self.group is not None and self.pid is None and not group_exists(self.group):
            self.group = self.kill_at = None
        if self.kill_at is not None and time.time() > self.kill_at:
            kill_group(self.group, signal.SIGKILL)
        return died

    def _note_end(self, how):
        lived = time.time() - (self.started or 0)
        self.ended = how
        self.pid = self.token = None
        self.crashes = 0 if lived > SETTLED else self.crashes + 1
        self.next_start = time.time() + min(0.5 * 2 ** (self.crashes - 2), LONGEST_BACKOFF) * (self.crashes > 1)
        # A killed Gunicorn leaves workers that finish what they accepted; they get the same time as in a drain.
        if group_exists(self.group):
            kill_group(self.group, signal.SIGTERM)
            if self.kill_at is None:
                self.kill_at = time.time() + self.drain

    def may_start(self):
        return self.pid is None and time.time() >= self.next_start

    def state(self):
        if self.pid is not None:
            return "stopping" if self.stopping else "running"
        if self.group is not None:
            return "stopping"
        return "waiting" if self.started is None else "backoff" if self.next_start > time.time() else "ended"


def _signal(pid, signum):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signum)
