"""Certificates: where the proxy finds its key and chain, and how they come there and are renewed."""

from __future__ import annotations

from typing import ClassVar, Protocol

from nuages.components.contract import Description, Placement


class Certificates(Protocol):
    name: ClassVar[str]

    def describe(self, placement: Placement) -> Description:
        """What it wants of this host."""
