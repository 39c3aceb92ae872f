"""No cache of ours: each process caches for itself, or in what the user names in CACHE_URL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from nuages.components.cache import Cache
from nuages.components.contract import Description, Placement
from nuages.topology.model import Topology


class NoCache(Cache):
    name: ClassVar[str] = "none"

    def describe(self, placement: Placement) -> tuple[Description, ...]:
        return ()

    def exports(self, topology: Topology, uses: Mapping[str, Any]) -> Mapping[str, str]:
        return {}

    def requires(self, uses: Mapping[str, Any]) -> tuple[str, ...]:
        return ()
