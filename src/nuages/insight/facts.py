"""What `nuages status --json` tells of one host's site."""

from __future__ import annotations

from typing import Any

from nuages.engine.model import Live
from nuages.topology.model import Topology


def facts_of(topology: Topology, live: Live) -> dict[str, Any]:
    if not live.release:
        return {"site": topology.name, "state": "never deployed", "root": str(topology.root)}
    generations = live.supervisor.get("generations", {})
    manifest = live.manifest or {}
    return {
        "site": topology.name,
        "state": "running" if live.serving else "stopped",
        "url": url_of(topology, live) if live.serving else "",
        "release": live.number,
        "build": live.release["build"],
        "commit": live.release.get("commit", ""),
        "dirty": live.release.get("dirty", False),
        "config": live.release["config"],
        "django": manifest.get("django"),
        "python": manifest.get("python"),
        "since": live.release.get("at", ""),
        "maintenance": live.maintenance,
        "dir": str(live.layout.dir),
        "processes": generations.get(live.serving, {}).get("processes", []),
        "draining": [name for name, told in generations.items() if told.get("state") == "draining"],
    }


def url_of(topology: Topology, live: Live) -> str:
    names = live.policy.get("domains") or [""]
    return url_at(live.address, topology, secure=bool((live.policy.get("tls") or {}).get("enabled")), name=names[0])


def url_at(address: str, topology: Topology, *, secure: bool, name: str = "") -> str:
    """Where people reach it: the domain when one is declared, else this machine or the server's address."""
    scheme = "https" if secure else "http"
    if topology.domains:
        return f"{scheme}://{topology.domains[0]}/"
    if topology.remote:
        return f"{scheme}://{f'[{name}]' if ':' in name else name}/"
    host, _, port = address.rpartition(":")
    shown = "localhost" if host in ("127.0.0.1", "::1", "[::1]", "", "0.0.0.0") else host  # noqa: S104
    return f"http://{shown}:{port}/"
