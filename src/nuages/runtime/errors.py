"""Exceptions that Django would swallow: one in a 404 page's template is answered with a 500 and logged without traceback."""

from __future__ import annotations

import logging
import sys


LOGGER = "nuages.errors"
# Where Django's own django.request logs the exception itself, with traceback.
ORDINARY = "response_for_exception"
NESTED = "get_exception_response"


def connect():
    from django.core.signals import got_request_exception

    got_request_exception.connect(log_exception, dispatch_uid="nuages.errors", weak=False)


def log_exception(sender=None, request=None, **_):
    """Log with traceback what nobody else will."""
    error = sys.exc_info()[1]
    if error is None or not (
        _nested()
        or not logging.getLogger("django.request").isEnabledFor(logging.ERROR)
        or logging.getLogger("django.request").disabled
    ):
        return
    path = getattr(request, "path", "")
    logging.getLogger(LOGGER).error(
        "%s while an error page was rendered: %s" if _nested() else "%s: %s",
        type(error).__name__,
        path,
        exc_info=error,
    )


def _nested():
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_name in (NESTED, ORDINARY):
            return frame.f_code.co_name == NESTED
        frame = frame.f_back
    return False
