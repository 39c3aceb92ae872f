"""One background process begun anew, as it is; web processes are begun anew by a deploy, which loses no request."""

from __future__ import annotations

import re

from nuages.engine.lock import deploy_lock
from nuages.engine.model import Seat
from nuages.errors import UsageError
from nuages.hosts.command import Command
from nuages.topology.model import Topology


STOPPED_WITHIN = 900.0  # a unit's TimeoutStopSec ends it earlier


def running(seats: tuple[Seat, ...], name: str) -> list[tuple[Seat, str, int]]:
    """(where, process, pid) of a name in the live generation: "worker" is all of its kind, "worker.1" one of them."""
    found = []
    for seat in seats:
        generation = seat.live.supervisor.get("generations", {}).get(seat.live.serving, {})
        for process in generation.get("processes", []):
            own = str(process["name"])
            if name in (own, re.sub(r"\.\d+$", "", own)):
                found.append((seat, own, int(process.get("pid") or 0)))
    return found


def restart_processes(seats: tuple[Seat, ...], topology: Topology, name: str) -> int:
    """How many were begun anew. Raises UsageError where nothing of that name runs."""
    found = running(seats, name)
    if not found:
        live = seats[0].live.supervisor.get("generations", {}).get(seats[0].live.serving, {})
        known = ", ".join(str(process["name"]) for process in live.get("processes", []))
        raise UsageError(f"no process called {name} runs", hint=f"there are: {known}" if known else "nuages start")
    lead = seats[0]
    with deploy_lock(lead.transport, lead.live.layout, f"restart {name}"):
        for seat, process, pid in found:
            seat.transport.check(_command(seat, topology, process, pid))
    return len(found)


def _command(seat: Seat, topology: Topology, process: str, pid: int) -> Command:
    """systemd's own restart of the unit; on this machine the supervisor begins again what ends."""
    if not topology.remote:
        return Command(("kill", "-TERM", str(pid)))
    name, _, index = process.partition(".")
    instance = f"{seat.live.serving}.{index}" if index else seat.live.serving
    return Command(("systemctl", "restart", f"{topology.name}-{name}@{instance}.service"), timeout=STOPPED_WITHIN)
