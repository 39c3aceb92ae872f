"""A webhook of the test's own: what is posted to it is kept, and it may be told to hang or to refuse."""

from __future__ import annotations

import contextlib
import http.server
import json
import threading
import time
from collections.abc import Iterator
from typing import Any


class Box(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Taking)
        self.posts: list[dict[str, Any]] = []
        self.status, self.hangs = 200, 0.0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/services/T0CANARY/B0/of-the-webhook"

    def texts(self) -> list[str]:
        return [post["text"] for post in self.posts]


class Taking(http.server.BaseHTTPRequestHandler):
    server: Box

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        time.sleep(self.server.hangs)
        with contextlib.suppress(OSError):
            self.send_response(self.server.status)
            self.end_headers()
        self.server.posts.append(json.loads(body))

    def log_message(self, *_words: object) -> None:
        """Nothing."""


@contextlib.contextmanager
def post_box() -> Iterator[Box]:
    with Box() as box:
        threading.Thread(target=box.serve_forever, daemon=True).start()
        yield box
        box.shutdown()
