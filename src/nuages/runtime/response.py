"""An answer of our own, the same for WSGI and ASGI."""

from __future__ import annotations

import json
from collections import namedtuple
from http.client import responses


Response = namedtuple("Response", "status headers body file")  # noqa: PYI024 - cheaper on every request


def of_bytes(status, content_type, body, headers=(), method="GET"):
    fields = [("Content-Type", content_type), ("Content-Length", str(len(body))), *headers]
    return Response(status, fields, b"" if method == "HEAD" else body, None)


def of_json(status, value, method="GET"):
    body = json.dumps(value).encode() + b"\n"
    return of_bytes(status, "application/json", body, [("Cache-Control", "no-store")], method)


def status_line(status):
    return "%d %s" % (status, responses.get(status, "Unknown"))
