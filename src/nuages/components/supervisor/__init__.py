"""Supervisor: holds the listening socket, starts processes, watches, drains and ends them.

An alternative answers with commands; each prints one JSON object and ends with 0, or one with "error" and ends with 1.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Protocol

from nuages.components.contract import Description, Machine, Placement, ProcessSpec
from nuages.hosts.command import Command
from nuages.release.layout import Layout


@cache
def version_of(programs: Path) -> str:
    """Of a folder of programs of ours: a digest of names and contents."""
    total = hashlib.sha256()
    for path in sorted(programs.glob("*.py")):
        total.update(path.name.encode() + b"\0" + path.read_bytes())
    return total.hexdigest()[:12]


class Supervisor(Protocol):
    name: ClassVar[str]
    programs: ClassVar[Path | None]  # a folder of programs of ours that it needs on the host
    overlaps: ClassVar[bool]  # can two generations share the listening socket?

    def processes(self, placement: Placement) -> tuple[ProcessSpec, ...]:
        """The processes that are no web process: workers and schedulers."""

    def spec(self, placement: Placement, generation: str, processes: tuple[ProcessSpec, ...]) -> dict[str, Any]:
        """The generation as it is written for the supervisor, 0600."""

    def ask(self, layout: Layout, machine: Machine, *words: str, timeout: float = 60) -> Command:
        """A command to the supervisor: ensure, status, start, prove, switch, drain-wait, discard, stop, down, upgrade."""

    def describe(self, placement: Placement) -> tuple[Description, ...]:
        """What should lie on a server for it; nothing where it needs no more than its programs."""
