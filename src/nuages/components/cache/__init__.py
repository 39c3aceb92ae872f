"""Cache: of the site alone, bounded in memory; the site lives on when it is gone."""

from __future__ import annotations

from typing import ClassVar, Protocol

from nuages.components.contract import Description, Placement


class Cache(Protocol):
    name: ClassVar[str]

    def describe(self, placement: Placement) -> Description:
        """What it wants of this host."""
