"""Gunicorn's threaded worker with many threads for clients and few for the project.

A slow client holds a thread while it sends its headers or body: 100 of them stop 2 workers of 20 threads (measured).
So up to `CLIENTS` threads may wait for clients; `slots` lets only so many into the project at a time, since each may
open a database connection. The last thread that worked is the first to work again, and idle ones end: the usual few
keep their connections, and what an attack made grow shrinks again.
"""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import Future

from gunicorn.workers.gthread import ThreadWorker

from nuages_runtime import slots


IDLE = 30.0


class PatientWorker(ThreadWorker):
    def get_thread_pool(self):
        return ThreadStack(self.cfg.threads)


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
