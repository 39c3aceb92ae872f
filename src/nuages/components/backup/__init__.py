"""Backup: every night a copy of what can't be built again, encrypted, to another place, kept for as long as is declared."""

from __future__ import annotations

from typing import ClassVar, Protocol

from nuages.components.contract import Description, Placement


class Backup(Protocol):
    name: ClassVar[str]

    def describe(self, placement: Placement) -> tuple[Description, ...]:
        """What it wants of this host. Of several hosts only the one that leads makes backups."""


class NoBackup(Backup):
    """Somebody else makes them."""

    name: ClassVar[str] = "none"

    def describe(self, placement: Placement) -> tuple[Description, ...]:
        return ()
