"""What the site stands on and does not run itself: the proxy, the database, the cache, the timer of its backups."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nuages.topology.model import Topology


CLUSTERS = "postgresql@"
RUNS = ("active", "activating", "reloading", "refreshing")


def question(topology: Topology) -> dict[str, Mapping[str, Any]]:
    if not topology.remote:
        return {}
    argv = ["systemctl", "show", "--property=Id,LoadState,ActiveState", *_units(topology)]
    return {"services": {"kind": "command", "argv": argv, "timeout": 20}}


def _units(topology: Topology) -> dict[str, str]:
    """Unit -> as people call it. What the host does not have is none of this site's."""
    name, services = topology.name, topology.services
    return {
        **({"nginx.service": "nginx"} if services.proxy == "nginx" else {}),
        **({"postgresql.service": "", f"{CLUSTERS}*.service": ""} if services.database == "postgresql" else {}),
        **({f"{name}-cache.service": "the cache"} if services.cache != "none" else {}),
        **({f"{name}-backup.timer": "the timer of backups"} if topology.backups.engine != "none" else {}),
    }


def stopped(topology: Topology, answer: Mapping[str, Any]) -> tuple[str, ...]:
    """What is there and does not run, in words."""
    told = str((answer.get("services") or {}).get("stdout", ""))
    blocks = [dict(line.split("=", 1) for line in block.splitlines() if "=" in line) for block in told.split("\n\n")]
    states = {block["Id"]: block.get("ActiveState", "") for block in blocks if block.get("LoadState") == "loaded"}
    found = [
        f"{word} does not run: systemctl status {unit}"
        for unit, word in _units(topology).items()
        if word and unit in states and states[unit] not in RUNS
    ]
    clusters = [state for unit, state in states.items() if unit.startswith(CLUSTERS)]
    if "postgresql.service" in states and not any(state in RUNS for state in clusters):  # itself it is only their umbrella
        found.append("PostgreSQL does not run: systemctl start postgresql; why it ended: /var/log/postgresql")
    return tuple(found)
