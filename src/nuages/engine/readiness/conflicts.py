"""Something of others where ours should stand: it stops the plan before the first write. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nuages.components.contract import Description
from nuages.engine.readiness.state import Ready, Room, run_op


OTHER_PORT = "it serves somebody else: give this site a port of its own (port = 8080 in nuages.toml), or stop that program first"


def conflict_questions(descriptions: Sequence[Description]) -> dict[str, Mapping[str, Any]]:
    """Each conflict's own command, as a read."""
    return {
        f"conflict {d.name} {number}": {"kind": "command", **run_op(conflict.found, conflict.user), "timeout": 30}
        for d in descriptions
        for number, conflict in enumerate(d.conflicts)
    }


def conflicts(room: Room, descriptions: Sequence[Description]) -> tuple[tuple[str, str], ...]:
    return (*room.conflicts, *_asked(descriptions, room.ready), *_taken_ports(room, descriptions))


def _asked(descriptions: Sequence[Description], ready: Ready) -> list[tuple[str, str]]:
    return [
        (conflict.what, conflict.hint)
        for d in descriptions
        for number, conflict in enumerate(d.conflicts)
        if ready.asked.get(f"conflict {d.name} {number}", {}).get("status") == 0
    ]


def _taken_ports(room: Room, descriptions: Sequence[Description]) -> list[tuple[str, str]]:
    """A program that no description knows listens on a port that one wants."""
    wanted = {port.number: d for d in descriptions for port in d.ports if port.protocol == "tcp"}
    taken = {
        known["port"]: known["program"]
        for known in room.ready.listeners
        if known["protocol"] == "tcp" and known["port"] in wanted
    }
    return [
        (
            port_taken(port, room.host, program),
            OTHER_PORT,
        )
        for port, program in sorted(taken.items())
        if not _of_ours(program, wanted[port])
    ]


def port_taken(port: int, host: str, program: str) -> str:
    return f"port {port} on {host} is taken by {program or 'a program that can not be seen'}"


def _of_ours(program: str, description: Description) -> bool:
    names = {*description.packages, description.name, *(unit.name.partition(".")[0] for unit in description.units)}
    return any(name == program or name.startswith(f"{program}-") for name in names) if program else False
