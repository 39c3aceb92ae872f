"""Granian: the default behind a proxy on servers. About twice Gunicorn on a light page, the same on a heavy one.

docs/decisions/0006 has the measurements. Without a proxy before it, it lost 15 of 51,038 requests over switches.
"""

from __future__ import annotations

from typing import ClassVar

from nuages.components.appserver import AppServer
from nuages.components.appserver.gunicorn import Gunicorn
from nuages.components.appserver.sizing import threads_for, workers_for
from nuages.components.contract import Placement, ProcessSpec


LEAST = "2.7"
LEAST_PYTHON = (3, 10)
BACKLOG = 2048


class Granian(AppServer):
    name: ClassVar[str] = "granian"
    serves_asgi: ClassVar[bool] = True
    adopts_socket: ClassVar[bool] = False

    def requires(self, interface: str) -> tuple[str, ...]:
        """A Python older than Granian's oldest is served by Gunicorn."""
        old = tuple(f'{line}; python_version < "3.10"' for line in Gunicorn().requires(interface)[:1])
        return (f'granian>={LEAST}; python_version >= "3.10"', *old, *Gunicorn().requires(interface)[1:])

    def process(self, placement: Placement) -> ProcessSpec:
        if _version(placement) < LEAST_PYTHON:
            return Gunicorn().process(placement)
        workers, threads = workers_for(placement), threads_for(placement)
        runtime = f"{placement.build.path}/runtime/nuages_runtime"
        log = "json" if placement.topology.log_format == "json" else "text"
        return ProcessSpec(
            name="web",
            kind="web",
            argv=(
                placement.python,
                "-m",
                "granian",
                *("--uds", "{socket}", "--uds-permissions", "0666"),  # its folder lets only the proxy in
                *("--workers", str(workers), "--backlog", str(BACKLOG)),
                *_interface(placement, threads),
                *("--http", "1", "--no-http1-keep-alive"),  # an idle connection would count as a request under way
                *("--respawn-failed-workers", "--respawn-interval", "0.2"),
                *("--workers-kill-timeout", str(max(1, min(1800, int(placement.topology.drain))))),
                *("--no-access-log", "--log-config", f"{runtime}/granian_{log}.json"),  # the proxy has one
                "nuages_runtime.granian:application",
            ),
            env={
                "PATH": f"{placement.manifest['environment']}/bin:/usr/local/bin:/usr/bin:/bin",
                **placement.env,
                "NUAGES_WORKERS": str(workers),
                "NUAGES_THREADS": str(threads),
            },
            cwd=placement.policy["manage_dir"],
            log=str(placement.layout.logs / "web.log"),
            socket=True,
            proof=True,
            workers=workers,
            drain=placement.topology.drain,
            start_timeout=placement.topology.health.within,
        )


def _interface(placement: Placement, threads: int) -> tuple[str, ...]:
    """WSGI: a worker takes as many requests as it has threads; more wait on the socket, where another worker finds them."""
    if placement.manifest["interface"] == "asgi":
        return ("--interface", "asgi")
    return ("--interface", "wsgi", "--no-ws", "--blocking-threads", str(threads), "--backpressure", str(threads))


def _version(placement: Placement) -> tuple[int, ...]:
    return tuple(int(part) for part in str(placement.manifest["python"]).split(".")[:2])
