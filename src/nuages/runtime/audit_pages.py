"""The error pages are rendered before anybody needs them, through the project's own middleware and handlers.

A 404 page that raises makes every missing page a server error, and nobody sees it while DEBUG is on. What needs a
database or another service can't be judged here: the probe's database is empty.
"""

from __future__ import annotations

import contextlib
import os
import sys

from .audit_project import finding, told


STATUSES = (404, 403, 400, 500)
BARE = {404: "every missing page"}
# The page itself is at fault, whatever the database holds. Names, since Jinja's classes need not be installed.
FAULTS = {
    "TemplateSyntaxError",
    "TemplateDoesNotExist",
    "TemplateNotFound",
    "NoReverseMatch",
    "ViewDoesNotExist",
}


def error_pages_render(project):
    for status in STATUSES:
        errors, answered = ask(project, status)
        error = worst(errors)
        if error is None and answered:
            continue
        if error is None:
            yield finding(
                "errors.N002",
                "unknown",
                "the page for %d could not be judged: a middleware answered first" % status,
            )
        elif is_fault(error):
            yield finding(
                "errors.N001",
                "error",
                "the error page for %d can't be rendered: %s" % (status, told(error)),
                page_file(project, status) or "handler%d" % status,
                "visitors get a bare server error in place of %s" % BARE.get(status, "this page"),
            )
        else:
            yield finding(
                "errors.N002",
                "unknown",
                "the page for %d could not be judged: %s" % (status, told(error)),
                "handler%d" % status,
            )


CHECKS = (error_pages_render,)


def ask(project, status):
    """Raise what leads to `status` behind the project's middleware: the exceptions that came of it, and the answer's fitness."""
    from django.core.handlers.base import BaseHandler
    from django.core.signals import got_request_exception

    wanted = cause(status)

    class Failing(BaseHandler):
        def _get_response(self, request):
            raise wanted

    seen = []

    def record(sender=None, **kwargs):
        error = sys.exc_info()[1]
        if error is not None and error is not wanted:
            seen.append(error)

    with unheard(got_request_exception), plain_static():
        got_request_exception.connect(record, weak=False)
        try:
            handler = Failing()
            handler.load_middleware()
            response = handler.get_response(request_for(project))
        except Exception as error:
            return [*seen, error], False
    return seen, response.status_code == status


def cause(status):
    from django.core.exceptions import PermissionDenied, SuspiciousOperation
    from django.http import Http404

    return {404: Http404, 403: PermissionDenied, 400: SuspiciousOperation, 500: AskedError}[status]("asked by the audit")


class AskedError(Exception):
    """Stands for a bug of the project, so that its page for 500 is rendered."""


def request_for(project):
    from django.conf import settings
    from django.test import RequestFactory

    host = (project.policy.get("domains") or ["localhost"])[0]
    allowed = [h.lstrip(".") for h in settings.ALLOWED_HOSTS if h != "*"]
    if not project.policy.get("domains") and allowed and "localhost" not in allowed:
        host = allowed[0]
    return RequestFactory(SERVER_NAME=host).get("/nuages-audit/", secure=bool(settings.SECURE_SSL_REDIRECT))


def worst(errors):
    return next((e for e in errors if is_fault(e)), errors[0] if errors else None)


def is_fault(error):
    return any(kind.__name__ in FAULTS for kind in type(error).__mro__) or is_wrong_handler(error)


def is_wrong_handler(error):
    """`def handler404(request)` without the exception: Django's call itself fails."""
    return isinstance(error, TypeError) and "positional argument" in str(error) and last_file(error).endswith("exception.py")


def last_file(error):
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace.tb_frame.f_code.co_filename if trace is not None else ""


def page_file(project, status):
    """The project's own template for this status, when there is one."""
    from django.template import engines

    for engine in engines.all():
        for folder in getattr(engine, "template_dirs", ()):
            path = os.path.join(str(folder), "%d.html" % status)
            if os.path.isfile(path) and project.owns(path):
                return project.relative(path)
    return ""


@contextlib.contextmanager
def unheard(signal):
    """Error trackers, error mail and logs must not hear of exceptions that the audit makes."""
    import logging

    receivers, signal.receivers = signal.receivers, []
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    signal.sender_receivers_cache.clear()
    try:
        yield
    finally:
        signal.receivers = receivers
        signal.sender_receivers_cache.clear()
        logging.disable(disabled)


@contextlib.contextmanager
def plain_static():
    """Nothing has been collected yet: a strict manifest would fail every page. static.N001 judges the targets."""
    from django.apps import apps

    if not apps.is_installed("django.contrib.staticfiles"):
        yield
        return
    from django.contrib.staticfiles.storage import StaticFilesStorage, staticfiles_storage

    before, staticfiles_storage._wrapped = staticfiles_storage._wrapped, StaticFilesStorage()
    try:
        yield
    finally:
        staticfiles_storage._wrapped = before
