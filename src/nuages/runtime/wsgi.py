"""What the app server calls: request id > forwarded > health > static > maintenance > media > the project's callable."""

from __future__ import annotations

import os

from nuages_runtime import request_id
from nuages_runtime.entry import load_callable
from nuages_runtime.front import Front
from nuages_runtime.proof import read_policy, report_failed_import
from nuages_runtime.response import status_line
from nuages_runtime.slots import Slots


class Application:
    def __init__(self, policy, project):
        self.project = project
        self.front = Front(policy)
        self.slots = Slots(int(os.environ.get("NUAGES_THREADS") or policy.get("threads") or 32))

    def __call__(self, environ, start_response):
        self.front.forwarded.apply(environ)
        id_ = environ["nuages.request_id"] = request_id.begin(environ.get("HTTP_X_REQUEST_ID"))
        environ["HTTP_X_REQUEST_ID"] = id_
        path = environ.get("PATH_INFO") or "/"
        if not path.isascii():
            path = path.encode("latin-1").decode("utf-8", "replace")

        def start(status, headers, exc_info=None):
            headers.append(("X-Request-ID", id_))
            return start_response(status, headers, exc_info) if exc_info else start_response(status, headers)

        found = self.front.answer(environ.get("REQUEST_METHOD", "GET"), path, environ)
        if found is None:
            return self.slots.run(self.project, environ, start)
        start(status_line(found.status), found.headers)
        if found.file is not None:
            return environ.get("wsgi.file_wrapper", _chunks)(found.file, 65536)
        return [found.body] if found.body else []


def _chunks(file, size):
    try:
        while True:
            data = file.read(size)
            if not data:
                return
            yield data
    finally:
        file.close()


def build(policy):
    project = load_callable(policy.get("wsgi"), "django.core.wsgi:get_wsgi_application")
    return Application(policy, project)


try:
    application = build(read_policy())
except BaseException as error:
    report_failed_import(error)
    raise
