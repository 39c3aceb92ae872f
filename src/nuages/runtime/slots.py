"""How many requests may be inside the project at once, and how many threads may keep a database connection.

A body is read whole before its request takes a slot: an upload over a slow line costs a thread, not a connection.
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
import threading
from queue import SimpleQueue


IN_MEMORY = 512 * 1024
CHUNK = 65536
_keeping = set()  # threads that may keep their connections open between requests


class Slots:
    def __init__(self, count):
        self.count = count
        self.free = SimpleQueue()  # of tokens: a semaphore written in C
        for _token in range(count):
            self.free.put(None)

    def run(self, project, environ, start_response):
        body = None
        if environ.get("CONTENT_LENGTH") not in (None, "", "0") or "HTTP_TRANSFER_ENCODING" in environ:
            body = read_body(environ)
            if body is None:
                start_response("400 Bad Request", [("Content-Length", "0"), ("Connection", "close")])
                return []
            environ["wsgi.input"] = body
        self.free.get()
        try:
            iterable = project(environ, start_response)
        except BaseException:
            self.leave_project()
            if body is not None:
                body.close()
            raise
        wrapper = environ.get("wsgi.file_wrapper")
        if isinstance(wrapper, type) and isinstance(iterable, wrapper):
            self.leave_project()  # sendfile needs the very object, and the project has done its work
            return iterable
        return Held(iterable, self.leave_project, body)

    def leave_project(self):
        me = threading.get_ident()
        if me not in _keeping:
            if len(_keeping) < self.count:
                _keeping.add(me)
            else:
                _close_connections()
        self.free.put(None)


class Held:
    """A response that gives its slot back when the server closes it."""

    def __init__(self, iterable, release, body):
        self.iterable = iterable
        self.release = release
        self.body = body

    def __iter__(self):
        return iter(self.iterable)

    def close(self):
        release, self.release = self.release, None
        try:
            close = getattr(self.iterable, "close", None)
            if close is not None:
                close()
        finally:
            if self.body is not None:
                self.body.close()
            if release is not None:
                release()


def read_body(environ):
    """None where the client went away before its declared length."""
    source, length = environ["wsgi.input"], environ.get("CONTENT_LENGTH")
    left = int(length) if length else None
    body = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 - closed with the response
    while left is None or left > 0:
        data = source.read(CHUNK if left is None else min(CHUNK, left))
        if not data:
            break
        body.write(data)
        left = None if left is None else left - len(data)
    if left:
        body.close()
        return None
    body.seek(0)
    return body


def leave():
    """The thread ends, and with it its connections."""
    _keeping.discard(threading.get_ident())
    _close_connections()


def _close_connections():
    database = sys.modules.get("django.db")
    if database is not None:
        with contextlib.suppress(Exception):
            database.connections.close_all()
