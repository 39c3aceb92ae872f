"""Log lines of the site: readable or JSON, one stream, flushed, with the request's id.

Stands alone: `nuages settings eject` copies it into projects.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time


# Anybody can make these happen, and the message says all: no traceback.
TERSE = ("django.security.DisallowedHost",)
ATTRIBUTES = frozenset(vars(logging.LogRecord("", 0, "", 0, "", (), None))) | {
    "message",
    "asctime",
    "request",
    "taskName",
    "server_time",
}


def request_id():
    module = sys.modules.get("nuages_runtime.request_id")
    current = getattr(module, "current", None)
    try:
        return (current() if current else "") or ""
    except Exception:
        return ""


class StandardHandler(logging.StreamHandler):
    """Standard output for the site's processes; standard error for commands, whose output belongs to whoever runs them.

    Silent about a record that the project's own console handler shows already.
    """

    def __init__(self):
        super().__init__(sys.stdout if os.environ.get("NUAGES_GENERATION") else sys.stderr)

    def filter(self, record):
        return super().filter(record) and not shown_elsewhere(record, self)


def shown_elsewhere(record, ours):
    logger = logging.getLogger(record.name)
    while logger is not None:
        for handler in logger.handlers:
            if (
                handler is not ours
                and _is_console(handler)
                and record.levelno >= handler.level
                and all(_passes(each, record) for each in handler.filters)
            ):
                return True
        logger = logger.parent if logger.propagate else None
    return False


def _is_console(handler):
    if isinstance(handler, StandardHandler):
        return False
    return getattr(handler, "stream", None) in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__)


def _passes(check, record):
    try:
        return bool(check.filter(record) if hasattr(check, "filter") else check(record))
    except Exception:
        return False


class TextFormatter(logging.Formatter):
    """2026-11-20T12:00:00.123Z WARNING django.request [c0ffee] Not Found: /x"""

    def format(self, record):
        ident = request_id()
        line = "%s %s %s %s%s" % (
            _time(record),
            record.levelname,
            record.name,
            "[%s] " % ident if ident else "",
            record.getMessage(),
        )
        for more in (
            self.formatException(record.exc_info) if _telling(record) else "",
            record.stack_info or "",
        ):
            if more:
                line += "\n" + more
        return line


class JsonFormatter(logging.Formatter):
    """One JSON object a line; what was passed as `extra` is in it."""

    def format(self, record):
        row = {
            "time": _time(record),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        ident = request_id()
        if ident:
            row["request_id"] = ident
        row.update({name: value for name, value in vars(record).items() if name not in ATTRIBUTES and name not in row})
        if _telling(record):
            row["exception"] = self.formatException(record.exc_info)
        return json.dumps(row, default=str, ensure_ascii=False)


class Known(logging.Filter):
    """Leaves out Granian's advice on threads: how many there are is chosen from the database's connections."""

    def filter(self, record):
        return "Configuration allows spawning up to" not in str(record.msg)


def _telling(record):
    return bool(record.exc_info) and record.name not in TERSE


def _time(record):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + ".%03dZ" % (record.created % 1 * 1000)
