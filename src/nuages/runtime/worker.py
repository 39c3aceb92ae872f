"""Gunicorn's threaded worker with many threads for clients and few for the project.

A slow client holds a thread while it sends its headers or body: 100 of them stop 2 workers of 20 threads (measured).
So up to `CLIENTS` threads may wait for clients; `slots` lets only so many into the project at a time, since each may
open a database connection. The last thread that worked is the first to work again, and idle ones end: the usual few
keep their connections, and what an attack made grow shrinks again.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from concurrent.futures import Future

from gunicorn.workers import gthread
from nuages_runtime import slots


IDLE = 30.0
LINGER = 2.0


class PatientWorker(gthread.ThreadWorker):
    """Older Gunicorns close what they have accepted but not read, and kept-alive connections, the moment they are
    told to stop (3 of 1501 lost). Here they first stop accepting, then answer what comes with `Connection: close`.
    """

    leaving = None

    def get_thread_pool(self):
        return ThreadStack(self.cfg.threads)

    def handle_exit(self, sig, frame):
        if hasattr(gthread, "STOP_KEEPALIVE_LINGER") or not self.booted:
            super().handle_exit(sig, frame)
        elif self.leaving is None:
            self.leaving = time.monotonic() + LINGER

    def notify(self):
        """Called at each turn of the main loop, at least once a second."""
        super().notify()
        if self.leaving is None or not self.alive:
            return
        self._stop_accepting()
        if self.nr_conns <= 0 or time.monotonic() > self.leaving:
            self.alive = False

    def _stop_accepting(self):
        self.max_keepalived = -1  # every further answer says that it is the last
        if hasattr(self, "set_accept_enabled"):
            self.worker_connections = 0
            return
        for listener in self.sockets:
            with contextlib.suppress(KeyError, ValueError):
                self.poller.unregister(listener)


class ThreadStack:
    """The part of concurrent.futures.Executor that Gunicorn uses. Daemon threads: the drain is bounded by Gunicorn."""

    def __init__(self, most, idle=IDLE):
        self.most = most
        self.patience = idle
        self.lock = threading.Lock()
        self.idle = []
        self.waiting = deque()
        self.count = 0
        self.closed = False

    def submit(self, function, *arguments):
        job = (Future(), function, arguments)
        with self.lock:
            if self.closed:
                raise RuntimeError("the pool is shut down")
            if self.idle:
                self.idle.pop().give(job)
            elif self.count < self.most:
                self.count += 1
                threading.Thread(target=self._work, args=(job,), daemon=True, name="client").start()
            else:
                self.waiting.append(job)
        return job[0]

    def shutdown(self, wait=True, cancel_futures=False):
        with self.lock:
            self.closed = True
            while self.idle:
                self.idle.pop().give(None)

    def _work(self, job):
        me = Seat()
        try:
            while job is not None:
                _run(*job)
                job = None  # an idle thread must not keep the last request alive
                job = self._next(me)
        finally:
            slots.leave()

    def _next(self, me):
        with self.lock:
            if self.waiting:
                return self.waiting.popleft()
            if self.closed:
                self.count -= 1
                return None
            self.idle.append(me)
        if me.called.acquire(timeout=self.patience):
            return me.take()
        with self.lock:
            if me in self.idle:
                self.idle.remove(me)
                self.count -= 1
                return None
        me.called.acquire()  # a job was given at the last moment
        return me.take()


class Seat:
    """Where an idle thread waits."""

    def __init__(self):
        self.called = threading.Lock()
        self.called.acquire()
        self.job = None

    def give(self, job):
        self.job = job
        self.called.release()

    def take(self):
        job, self.job = self.job, None
        return job


def _run(future, function, arguments):
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = function(*arguments)
    except BaseException as error:
        future.set_exception(error)
    else:
        future.set_result(result)
