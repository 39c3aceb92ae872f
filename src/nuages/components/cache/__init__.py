"""Cache: of the site alone, bounded in memory; the site lives on when it is gone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

from nuages.components.contract import Description, Placement
from nuages.topology.model import Topology


class Cache(Protocol):
    name: ClassVar[str]

    def describe(self, placement: Placement) -> tuple[Description, ...]:
        """What it wants of this host, in the order in which it is to be done."""

    def exports(self, topology: Topology, uses: Mapping[str, Any]) -> Mapping[str, str]:
        """The variables of the site's processes; no secrets. `uses`: the manifest's facts and versions, as far as they are known."""

    def requires(self, uses: Mapping[str, Any]) -> tuple[str, ...]:
        """What it adds to the project's lock, as requirement lines."""
