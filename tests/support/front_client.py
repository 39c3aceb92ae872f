"""Asks the WSGI and the ASGI application of the runtime the same question, in-process."""

import asyncio
import io
from dataclasses import dataclass


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict
    body: bytes


def ask_wsgi(application, method, path, headers, peer):
    environ = {"REQUEST_METHOD": method, "PATH_INFO": path.encode().decode("latin-1"), "QUERY_STRING": "",
               "SERVER_NAME": "x", "SERVER_PORT": "80", "REMOTE_ADDR": peer, "wsgi.input": io.BytesIO(),
               "wsgi.url_scheme": "http", "wsgi.errors": io.StringIO()}  # fmt: skip
    environ |= {"HTTP_" + name.upper().replace("-", "_"): value for name, value in headers.items()}
    said = []
    iterable = application(environ, lambda status, headers, exc_info=None: said.extend([status, headers]))
    body = b"".join(iterable)
    if hasattr(iterable, "close"):
        iterable.close()
    return Answer(int(said[0].split()[0]), {name.lower(): value for name, value in said[1]}, body)


def ask_asgi(application, method, path, headers, peer):
    said, body = {}, []

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        if message["type"] == "http.response.start":
            said.update(message)
        else:
            body.append(message.get("body", b""))

    scope = {"type": "http", "method": method, "path": path, "query_string": b"", "client": (peer, 1), "scheme": "http",
             "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()]}  # fmt: skip
    asyncio.run(application(scope, receive, send))
    found = {name.decode(): value.decode() for name, value in said["headers"]}
    return Answer(said["status"], found, b"".join(body))
