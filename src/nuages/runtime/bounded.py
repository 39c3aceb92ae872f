"""Under ASGI a process opens no more database connections than its share.

Django gives each request a thread of its own there, and each thread a connection: a burst of requests would open as many,
until the server refuses one and pages fail. Who comes when all are taken waits until one is given back. Websockets that
are merely open hold none.
"""

from __future__ import annotations

import functools
import os
import threading
import weakref

from nuages_runtime import patient


PATIENCE = 8.0  # seconds; after that it connects all the same, and the server has the word
LOCAL = ("sqlite",)  # a file counts no connections
_shares = {}  # alias -> semaphore
_guard = threading.Lock()


def install(policy):
    """Once for a process that serves ASGI; under WSGI `slots` bounds the requests themselves."""
    if policy.get("interface") != "asgi":
        return
    try:
        from django.db.backends.base.base import BaseDatabaseWrapper
    except ImportError:
        return
    if not getattr(BaseDatabaseWrapper.connect, "is_bounded", False):
        count = max(2, int(os.environ.get("NUAGES_THREADS") or policy.get("threads") or 32))
        BaseDatabaseWrapper.connect = connecting(BaseDatabaseWrapper.connect, count)
        BaseDatabaseWrapper.close = closing(BaseDatabaseWrapper.close)


def connecting(connect, count):
    @functools.wraps(connect)
    def bounded(self):
        give_back(self)  # a connection that broke is replaced without being closed
        share = None if patient.is_hurried() else share_of(self, count)
        taken = share is not None and share.acquire(timeout=PATIENCE)
        try:
            connect(self)
        except BaseException:
            if taken:
                share.release()
            raise
        if taken:
            # A request that was cancelled leaves its thread, and nobody closes: then the connection itself tells.
            self._nuages_share = weakref.finalize(self.connection, share.release)
            self._nuages_share.atexit = False

    bounded.is_bounded = True
    return bounded


def closing(close):
    @functools.wraps(close)
    def bounded(self):
        try:
            close(self)
        finally:
            if self.connection is None:
                give_back(self)

    return bounded


def give_back(connection):
    """At most once: calling a finalizer takes it off."""
    share = connection.__dict__.pop("_nuages_share", None)
    if share is not None:
        share()


def share_of(connection, count):
    """None where there is nothing to share out: a local file, or a pool of Django's own."""
    if connection.vendor in LOCAL or (connection.settings_dict.get("OPTIONS") or {}).get("pool"):
        return None
    with _guard:
        return _shares.setdefault(connection.alias, threading.BoundedSemaphore(count))
