"""Database: made for the site, tuned to the machine, reached without a password where that is possible."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

from nuages.components.contract import Description, Machine, Placement
from nuages.hosts.command import Command
from nuages.topology.model import Topology


class Database(Protocol):
    name: ClassVar[str]

    def describe(self, placement: Placement) -> tuple[Description, ...]:
        """What it wants of this host, in the order in which it is to be done."""

    def exports(self, topology: Topology, uses: Mapping[str, Any]) -> Mapping[str, str]:
        """The variables of the site's processes; no secrets. `uses`: the manifest's facts and versions, as far as they are known."""

    def requires(self, uses: Mapping[str, Any]) -> tuple[str, ...]:
        """What it adds to the project's lock, as requirement lines."""

    def may_copy(self, topology: Topology, *, allowed: bool) -> Command | None:
        """Whether the site's role may make a database beside its own: for as long as migrations are tried on a copy."""

    def applied(self, topology: Topology, machine: Machine) -> Command | None:
        """Prints `app.name` of every migration that the site's database has; None where only Django can tell."""
