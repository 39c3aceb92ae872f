"""Gunicorn: gthread workers for WSGI, its own ASGI worker for ASGI.

The settings are in the release's own gunicorn_conf.py, a plain file that can be read there.
"""

from __future__ import annotations

from typing import ClassVar

from nuages.components.appserver import AppServer
from nuages.components.appserver.sizing import threads_for, workers_for
from nuages.components.contract import Placement, ProcessSpec


class Gunicorn(AppServer):
    name: ClassVar[str] = "gunicorn"
    serves_asgi: ClassVar[bool] = True
    adopts_socket: ClassVar[bool] = True

    def requires(self, interface: str) -> tuple[str, ...]:
        # Its ASGI worker, with websockets, came in 25.
        return ("gunicorn>=25" if interface == "asgi" else "gunicorn>=23", "whitenoise>=6.6", "brotli>=1.1")

    def process(self, placement: Placement) -> ProcessSpec:
        interface = placement.manifest["interface"]
        workers, threads = workers_for(placement), threads_for(placement)
        return ProcessSpec(
            name="web",
            kind="web",
            argv=(
                placement.python,
                "-m",
                "gunicorn",
                "-c",
                f"{placement.build.path}/runtime/nuages_runtime/gunicorn_conf.py",
                f"nuages_runtime.{interface}:application",
            ),
            env={**placement.env, "NUAGES_WORKERS": str(workers), "NUAGES_THREADS": str(threads)},
            cwd=placement.policy["manage_dir"],
            log=str(placement.layout.logs / "web.log"),
            socket=True,
            proof=True,
            workers=workers,
            drain=placement.topology.drain,
            start_timeout=placement.topology.health.within,
        )
