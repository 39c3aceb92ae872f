"""The id of the request that this thread or task is answering; log lines and answers carry it."""

from __future__ import annotations

import re
from contextvars import ContextVar
from random import getrandbits


HEADER = "X-Request-ID"
_current = ContextVar("nuages_request_id", default="")
_acceptable = re.compile(r"[A-Za-z0-9._:+/=@-]{1,128}\Z").match


def current():
    """Empty outside a request."""
    return _current.get()


def begin(received=None):
    """Take over the id that a trusted proxy gave, or make one. It need not be hard to guess."""
    request_id = received if received and _acceptable(received) else "%016x" % getrandbits(64)
    _current.set(request_id)
    return request_id
