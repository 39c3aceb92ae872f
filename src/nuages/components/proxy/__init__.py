"""Proxy: takes HTTP and HTTPS from the world, serves static files and uploads, and sends the rest to the site's socket.

It finds the live release through one link (`layout.socket`), so a deploy does not touch it."""

from __future__ import annotations

from typing import ClassVar, Protocol

from nuages.components.contract import Description, Placement


class Proxy(Protocol):
    name: ClassVar[str]

    def describe(self, placement: Placement) -> Description:
        """What it wants of this host."""
