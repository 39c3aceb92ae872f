"""No database of ours: SQLite in the site's own folder, or one that the user names in DATABASE_URL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from nuages.components.contract import Description, Machine, Placement
from nuages.components.database import Database
from nuages.hosts.command import Command
from nuages.topology.model import Topology


class NoDatabase(Database):
    name: ClassVar[str] = "none"

    def describe(self, placement: Placement) -> tuple[Description, ...]:
        return ()

    def exports(self, topology: Topology, uses: Mapping[str, Any]) -> Mapping[str, str]:
        return {}

    def requires(self, uses: Mapping[str, Any]) -> tuple[str, ...]:
        return ()

    def may_copy(self, topology: Topology, *, allowed: bool) -> Command | None:
        return None

    def applied(self, topology: Topology, machine: Machine) -> Command | None:
        return None


class Sqlite(NoDatabase):
    """The runtime's overlay keeps the file in `shared/data`, in WAL mode."""

    name: ClassVar[str] = "sqlite"
