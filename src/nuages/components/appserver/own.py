"""The project's own web command, honoured with $PORT behind a relay that holds the socket.

For a `web:` line that no server of ours stands in for. Static files, uploads and /-/ answers are its own business.
"""

from __future__ import annotations

from typing import ClassVar

from nuages.components.appserver import AppServer
from nuages.components.contract import Placement, ProcessSpec


class OwnCommand(AppServer):
    name: ClassVar[str] = "own"
    serves_asgi: ClassVar[bool] = True
    adopts_socket: ClassVar[bool] = False

    def requires(self, interface: str) -> tuple[str, ...]:
        return ()

    def process(self, placement: Placement) -> ProcessSpec:
        topology, layout = placement.topology, placement.layout
        host = topology.domains[0] if topology.domains else f"localhost:{placement.policy['port']}"
        line = next(p["command"] for p in placement.manifest["processes"] if p["kind"] == "web")
        health = topology.health
        options = ("--path", health.path, "--host", host, "--expect", health.expect, "--within", f"{health.within:g}")
        relay = f"{placement.build.path}/runtime/nuages_runtime/relay.py"
        socket = ("--socket", "{socket}") if topology.remote else ()
        bin_dir = f"{placement.manifest['environment']}/bin"
        return ProcessSpec(
            name="web",
            kind="web",
            argv=(
                placement.machine.python,
                "-I",
                "-S",
                relay,
                *socket,
                *options,
                "--drain",
                f"{topology.drain:g}",
                "--",
                "/bin/sh",
                "-c",
                f"exec {line}",
            ),
            env={**placement.env, "NUAGES_THREADS": "0", "PATH": f"{bin_dir}:/usr/local/bin:/usr/bin:/bin"},
            cwd=placement.policy["manage_dir"],
            log=str(layout.logs / "web.log"),
            socket=True,
            proof=True,
            workers=1,
            drain=topology.drain,
            start_timeout=health.within,
        )
