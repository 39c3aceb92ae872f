"""Database: made for the site, tuned to the machine, reached without a password where that is possible."""

from __future__ import annotations

from typing import ClassVar, Protocol

from nuages.components.contract import Description, Placement


class Database(Protocol):
    name: ClassVar[str]

    def describe(self, placement: Placement) -> Description:
        """What it wants of this host."""
