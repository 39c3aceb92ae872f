"""Requests per second of the embedded stack against the same Gunicorn with WhiteNoise wrapped by hand, by wrk."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from by_hand import ByHand, by_hand
from measuring import FailedError, Figure
from sites import Site, end_process, site, startproject


SECONDS = 3
CONNECTIONS = 16
ENCODING = "Accept-Encoding: gzip, deflate, br"

URLS = """import json

from django.contrib.auth.models import Permission
from django.http import HttpResponse
from django.shortcuts import render
from django.templatetags.static import static
from django.urls import path


def hello(request):
    return HttpResponse("hello")


def rows(request):
    return render(request, "rows.html", {"rows": Permission.objects.select_related("content_type")})


def assets(request):
    return HttpResponse(json.dumps([static("small.css"), static("large.jpg")]))


urlpatterns = [path("", hello), path("rows", rows), path("assets", assets)]
"""
ROWS = """<!doctype html><title>rows</title><table>{% for row in rows %}
<tr><td>{{ row.pk }}<td>{{ row.name }}<td>{{ row.content_type.app_label }}<td>{{ row.codename|title }}{% endfor %}
</table>
"""


def throughput(scratch: Path, rounds: int) -> Iterator[Figure]:
    if shutil.which("wrk") is None:
        raise FailedError("wrk is not here: apt install wrk")
    ours = site(measured_project(scratch / "load" / "plain"), scratch / "load" / "data")
    server = None
    try:
        ours.nuages("up", "--detach")
        peer = by_hand(ours.folder, scratch / "load" / "by-hand", "plain.settings", ours.environment)
        prepare(peer)
        server = peer.serve()
        small, large = json.loads(ours.get("/assets"))
        for name, path, bound in (
            ("dynamic: hello", "/", 0.95),
            ("dynamic: rows of a table", "/rows", 0.95),
            ("static: 5 KB of CSS, compressed", small, 0.9),
            ("static: 200 KB image", large, 0.9),
        ):
            yield from compare(ours, peer, server.pid, name, path, bound, rounds)
    finally:
        if server:
            end_process(server)
        ours.end()


def measured_project(folder: Path) -> Path:
    startproject(folder)
    (folder / "plain" / "urls.py").write_text(URLS)
    (folder / "plain" / "templates").mkdir()
    (folder / "plain" / "templates" / "rows.html").write_text(ROWS)
    (folder / "plain" / "static").mkdir()
    rules = (f".name-{n} {{ margin: {n}px; padding: {n * 7 % 11}px }}\n" for n in range(130))
    (folder / "plain" / "static" / "small.css").write_text("".join(rules))
    (folder / "plain" / "static" / "large.jpg").write_bytes(os.urandom(200_000))
    settings = folder / "plain" / "settings.py"
    settings.write_text(settings.read_text().replace("INSTALLED_APPS = [", 'INSTALLED_APPS = [\n    "plain",'))
    return folder


def prepare(peer: ByHand) -> None:
    peer.install()
    peer.collect()
    peer.compress()
    peer.manage("migrate", "--noinput", "--verbosity", "0")


def compare(ours: Site, peer: ByHand, pid: int, name: str, path: str, bound: float, rounds: int) -> Iterator[Figure]:
    """In turn, so that what else the machine does hits both; the first round warms up."""
    mine, theirs = Server(ours.port, ours.pids()), Server(peer.port, [pid])
    pairs = [(mine.load(path), theirs.load(path)) for _ in range(rounds + 1)][1:]
    yield Figure(name, "requests/s", tuple((a[0], b[0]) for a, b in pairs), bound, "more")
    yield Figure(f"{name}, per second of the server's CPU", "requests", tuple((a[1], b[1]) for a, b in pairs), 0, "more")


class Server:
    def __init__(self, port: int, pids: list[int]) -> None:
        self.port = port
        self.pids = [*pids, *(child for pid in pids for child in children(pid))]

    def load(self, path: str) -> tuple[float, float]:
        """Requests per second of time, and per second of the server's own processor time."""
        before = self.cpu()
        argv = ("wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "-H", ENCODING, f"http://localhost:{self.port}{path}")
        said = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
        if "Non-2xx" in said or "Socket errors" in said:
            raise FailedError(f"{path}: {said}")
        requests, rate = re.search(r"(\d+) requests in", said), re.search(r"Requests/sec:\s+([\d.]+)", said)
        assert requests
        assert rate
        return float(rate[1]), int(requests[1]) / (self.cpu() - before)

    def cpu(self) -> float:
        return sum(processor_time(pid) for pid in self.pids)


def children(pid: int) -> list[int]:
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def processor_time(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
