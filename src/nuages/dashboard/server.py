"""HTTP on 127.0.0.1, by the standard library (decision 15): the page, its facts, a stream of news, and what its buttons ask."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from nuages.dashboard import actions
from nuages.dashboard.board import Board, Seen
from nuages.dashboard.collector import Collector
from nuages.dashboard.guard import HEADERS, Asked, Doorkeeper, Refusal, Session, keyless, refused, refused_post
from nuages.dashboard.jobs import Jobs
from nuages.dashboard.logs import Follower
from nuages.errors import NuagesError
from nuages.release.shipped import RUNTIME


PAGE = RUNTIME / "dashboard"
FILES = {
    "/page.css": "text/css; charset=utf-8",
    "/page.js": "text/javascript; charset=utf-8",
    "/charts.js": "text/javascript; charset=utf-8",
    "/icon.svg": "image/svg+xml",
}
CONNECTIONS = 64  # at once; a stream holds one
SLOW = 15  # seconds for a request to arrive, or for what is sent to be taken
BEAT = 10.0  # seconds after which a stream says that it lives
BURST = 0.05  # seconds in which what comes travels together


class Dashboard:
    """One site's page, and the threads behind it."""

    def __init__(self, root: Path, port: int = 0, say: Callable[[str], None] = lambda _line: None) -> None:
        self.root, self.say = root, say
        self.board = Board()
        self.collector = Collector(root, self.board)
        self.jobs = Jobs(self.board, self.collector.look)
        self.follower = Follower(root, self.board)
        self.server = Server(("127.0.0.1", port), self)
        self.port = self.server.server_address[1]
        self.door = Doorkeeper(self.port)

    def link(self) -> str:
        """Opens the page, once."""
        return f"http://127.0.0.1:{self.port}/?token={self.door.token()}"

    def serve(self) -> None:
        """Until `end` or Ctrl-C; a change that is being applied comes to its end first."""
        self.collector.start()
        try:
            self.server.serve_forever(poll_interval=0.2)
        finally:
            self.end()

    def end(self) -> None:
        self.collector.end()
        self.board.close()
        self.follower.end()
        if self.jobs.under_way:
            self.say(f"{self.jobs.under_way} is being applied, and comes to its end first")
        self.jobs.stop_asking()
        self.server.server_close()


class Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 32

    def __init__(self, address: tuple[str, int], dashboard: Dashboard) -> None:
        self.dashboard = dashboard
        self.room = threading.BoundedSemaphore(CONNECTIONS)
        super().__init__(address, Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self.room.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that goes away in the middle of an answer is no news."""


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    timeout = SLOW

    # --- who may ask -----------------------------------------------------------------------------------------

    def do_GET(self) -> None:
        self._answer(self._get)

    do_HEAD = do_GET  # noqa: N815 - as the standard library looks for it

    def do_POST(self) -> None:
        self._answer(self._post)

    def _answer(self, way: Any) -> None:
        self.asked = Asked(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, tuple(self.headers.items()))
        refusal = refused(self.asked, self.server.dashboard.port)
        if refusal:
            self._refuse(refusal)
            return
        way()

    def _session(self) -> Session | None:
        return self.server.dashboard.door.session(self.asked)

    # --- reads -----------------------------------------------------------------------------------------------

    def _get(self) -> None:
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if parts.path == "/":
            self._page(query.get("token"))
        elif parts.path in FILES:
            self._send(200, (PAGE / parts.path[1:]).read_bytes(), FILES[parts.path])
        elif parts.path in ("/facts.json", "/api/stream"):
            refusal = keyless(self.asked, self._session())
            if refusal:
                self._refuse(refusal)
            elif parts.path == "/facts.json":
                self._json(200, {**self.server.dashboard.board.facts, "readonly": False})
            else:
                self._stream(logs=query.get("logs") == "1")
        else:
            self._refuse(Refusal(404, "there is no such page"))

    def _page(self, token: str | None) -> None:
        if token is not None:
            session = self.server.dashboard.door.exchange(token)
            if session:
                self._let_in(session)
                return
        if token is None and self._session():
            self._send(200, (PAGE / "index.html").read_bytes(), "text/html; charset=utf-8")
            return
        self._send(403, (PAGE / "refused.html").read_bytes(), "text/html; charset=utf-8")

    def _let_in(self, session: Session) -> None:
        """No redirect: a browser sends a Strict cookie only where the step to the page is this origin's own."""
        body = f'<!doctype html><html lang="en"><meta http-equiv="refresh" content="0; url=/#{session.key}"><title>Nuages</title>'
        cookie = f"{self.server.dashboard.door.cookie}={session.cookie}; HttpOnly; SameSite=Strict; Path=/"
        self._send(200, body.encode(), "text/html; charset=utf-8", {"Set-Cookie": cookie})

    def _stream(self, *, logs: bool) -> None:
        """Server-sent events (HTML, 9.2): facts, job and log lines, each when it changes."""
        self.close_connection = True
        self._head(200, "text/event-stream", {"Connection": "close"})
        if self.command == "HEAD":
            return
        with self.server.dashboard.follower.watched() if logs else contextlib.nullcontext():
            self._news(Seen(lines=0 if logs else None))

    def _news(self, seen: Seen) -> None:
        board = self.server.dashboard.board
        while not board.closed:
            seen, said = board.news_since(seen, BEAT)
            text = "".join(f"event: {name}\ndata: {json.dumps(value)}\n\n" for name, value in said) or ": alive\n\n"
            try:
                self.wfile.write(text.encode())
                self.wfile.flush()
            except OSError:  # the page is gone
                return
            time.sleep(BURST)

    # --- changes ---------------------------------------------------------------------------------------------

    def _post(self) -> None:
        refusal = refused_post(self.asked) or keyless(self.asked, self._session())
        if refusal:
            self._refuse(refusal)
            return
        try:
            wish = json.loads(self.rfile.read(int(self.asked.headers["content-length"])))
        except (ValueError, RecursionError):
            wish = None
        if not isinstance(wish, dict):
            self._refuse(Refusal(400, "that is no JSON object"))
            return
        try:
            self._carry_out(wish)
        except NuagesError as error:
            self._json(409, {"error": error.what, "hint": error.hint})

    def _carry_out(self, wish: Mapping[str, Any]) -> None:
        dashboard = self.server.dashboard
        if self.path == "/api/do":
            title, work = actions.chosen(dashboard.root, wish)
            self._json(202, {"job": dashboard.jobs.start(title, work).id})
        elif self.path == "/api/answer":
            dashboard.jobs.answer(str(wish.get("job")), agree=wish.get("agree") is True, name=str(wish.get("name", "")))
            self._json(200, {})
        else:
            self._refuse(Refusal(404, "there is no such page"))

    # --- how it is sent --------------------------------------------------------------------------------------

    def _refuse(self, refusal: Refusal) -> None:
        self.close_connection = True  # what else was sent is not read
        self._json(refusal.status, {"error": refusal.why}, {"Connection": "close"})

    def _json(self, status: int, value: Any, more: Mapping[str, str] | None = None) -> None:
        self._send(status, json.dumps(value).encode(), "application/json", more)

    def _send(self, status: int, body: bytes, kind: str, more: Mapping[str, str] | None = None) -> None:
        self._head(status, kind, {"Content-Length": str(len(body)), **(more or {})})
        if self.command != "HEAD":
            self.wfile.write(body)

    def _head(self, status: int, kind: str, more: Mapping[str, str]) -> None:
        self.send_response_only(status, HTTPStatus(status).phrase)
        for name, value in {"Content-Type": kind, **HEADERS, **more}.items():
            self.send_header(name, value)
        self.end_headers()

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Of requests that the parser could not read, and of methods that nobody knows."""
        self.command = getattr(self, "command", None) or "GET"
        self._refuse(Refusal(code, message or HTTPStatus(code).phrase))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as the standard library names it
        """Nothing: the link in the terminal stays where it is seen."""


def free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
