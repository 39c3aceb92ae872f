"""What every server needs, whatever runs on it: accounts, folders, firewall, sshd, updates, time, limits."""

from __future__ import annotations

from typing import ClassVar, Protocol

from nuages.components.contract import Description, Placement


class Base(Protocol):
    name: ClassVar[str]

    def describe(self, placement: Placement) -> Description:
        """What it wants of this host."""
