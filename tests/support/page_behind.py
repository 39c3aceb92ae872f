"""The page that the site's own processes serve, as a superuser gets it: nuages_runtime.page on facts that the host's program wrote."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import shipped_runtime  # noqa: F401
from live_site import Site

from nuages.components.monitor.page import PROGRAMS, ROOMS


PATH = "/-/nuages/"


class Quiet(WSGIRequestHandler):
    def log_message(self, *_words: Any) -> None:
        pass


def written(site: Site, folder: Path) -> Path:
    """facts.json of a site of this machine."""
    folder.mkdir()
    for name in PROGRAMS:
        shutil.copy(ROOMS / name, folder)
    facts = folder / "facts.json"
    config = {
        "site": site.name, "environment": "production", "host": "web-1", "dir": str(site.state), "url": site.url,
        "log": str(site.state / "logs/web.log"), "style": "gunicorn", "certificates": str(folder), "to": str(facts),
    }  # fmt: skip
    (folder / "page.json").write_text(json.dumps(config))
    argv = (sys.executable, "-I", "-S", "-B", str(folder / "snapshot.py"), str(folder / "page.json"))
    subprocess.run(argv, check=True, timeout=60)
    return facts


@contextlib.contextmanager
def behind(facts: Path) -> Iterator[str]:
    """Yields the page's address."""
    from nuages_runtime.page import Page  # type: ignore[import-not-found]
    from nuages_runtime.response import status_line  # type: ignore[import-not-found]

    page = Page(PATH, str(facts), allowed=lambda _cookie: True)

    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        path = environ["PATH_INFO"]
        answer = page.answer(environ["REQUEST_METHOD"], path, environ) if path.startswith(PATH) else None
        if answer is None:
            start_response("404 Not Found", [("Content-Length", "0")])
            return []
        start_response(status_line(answer.status), answer.headers)
        return [answer.body]

    server = make_server("127.0.0.1", 0, application, handler_class=Quiet)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}{PATH}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
