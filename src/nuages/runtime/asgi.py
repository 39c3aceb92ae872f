"""The same front for ASGI; websockets and lifespan go straight to the project."""

from __future__ import annotations

import asyncio

from nuages_runtime import request_id
from nuages_runtime.entry import load_callable
from nuages_runtime.front import Front
from nuages_runtime.proof import read_policy, report_failed_import
from nuages_runtime.websockets import Websockets


CHUNK = 65536


class Application:
    def __init__(self, policy, project):
        self.project = project
        self.front = Front(policy)
        self.websockets = Websockets()

    async def __call__(self, scope, receive, send):
        if scope["type"] not in ("http", "websocket"):
            await self.project(scope, receive, send)
            return
        environ = as_environ(scope)
        trusted = self.front.forwarded.apply(environ)
        id_ = request_id.begin(environ.get("HTTP_X_REQUEST_ID"))
        scope = with_forwarded(scope, environ, trusted, id_)
        if scope["type"] == "websocket":
            await self.websockets.run(self.project, scope, receive, send)
            return
        found = await self._own(scope, environ)
        if found is None:
            await self.project(scope, receive, sending_id(send, id_))
        else:
            await respond(found, sending_id(send, id_))

    async def _own(self, scope, environ):
        method, path = scope["method"], scope["path"]
        if not self.front.may_block(path):
            return self.front.answer(method, path, environ)
        loop = asyncio.get_event_loop()
        return await loop.run_in_executor(None, self.front.answer, method, path, environ)


def as_environ(scope):
    """WSGI's names for the headers, which the shared parts read."""
    client = scope.get("client") or ("", 0)
    environ = {"REMOTE_ADDR": client[0] or ""}
    if "nuages.proof" in (scope.get("extensions") or {}):
        environ["nuages.proof"] = True
    for name, value in scope.get("headers", ()):
        key = "HTTP_" + name.decode("latin-1").upper().replace("-", "_")
        text = value.decode("latin-1")
        environ[key] = environ[key] + "," + text if key in environ else text
    return environ


def with_forwarded(scope, environ, trusted, id_):
    """The scope without the headers that were not believed, with the client and scheme that were."""
    scope = dict(scope)
    kept = [
        (name, value)
        for name, value in scope.get("headers", ())
        if name.lower() != b"x-request-id" and "HTTP_" + name.decode("latin-1").upper().replace("-", "_") in environ
    ]
    scope["headers"] = [*kept, (b"x-request-id", id_.encode())]
    if trusted:
        scheme = environ.get("wsgi.url_scheme")
        if scheme:
            secure = scheme == "https"
            scope["scheme"] = ("wss" if secure else "ws") if scope["type"] == "websocket" else scheme
        scope["client"] = (environ["REMOTE_ADDR"], (scope.get("client") or ("", 0))[1])
        if "SERVER_NAME" in environ:
            scope["server"] = (environ["SERVER_NAME"], int(environ["SERVER_PORT"]))
    return scope


def sending_id(send, id_):
    async def send_with_id(message):
        if message["type"] == "http.response.start":
            message = dict(message, headers=[*message.get("headers", ()), (b"x-request-id", id_.encode())])
        await send(message)

    return send_with_id


async def respond(found, send):
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in found.headers]
    await send({"type": "http.response.start", "status": found.status, "headers": headers})
    if found.file is not None:
        loop = asyncio.get_event_loop()
        try:
            while True:
                data = await loop.run_in_executor(None, found.file.read, CHUNK)
                if not data:
                    break
                await send({"type": "http.response.body", "body": data, "more_body": True})
        finally:
            found.file.close()
    await send({"type": "http.response.body", "body": found.body})


def build(policy):
    return Application(policy, load_callable(policy.get("asgi"), "django.core.asgi:get_asgi_application"))


try:
    application = build(read_policy())
except BaseException as error:
    report_failed_import(error)
    raise
