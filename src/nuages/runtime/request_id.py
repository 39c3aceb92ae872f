"""The id of the request that this thread or task is answering; log lines and answers carry it."""

from __future__ import annotations

import os
import re
from contextvars import ContextVar


HEADER = "X-Request-ID"
_current = ContextVar("nuages_request_id", default="")
_acceptable = re.compile(r"[A-Za-z0-9._:+/=@-]{1,128}\Z").match


def current():
    """Empty outside a request."""
    return _current.get()


def begin(received=None):
    """Take over the id that a trusted proxy gave, or make one."""
    request_id = received if received and _acceptable(received) else os.urandom(8).hex()
    _current.set(request_id)
    return request_id
