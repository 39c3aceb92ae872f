"""Valkey, the free continuation of Redis: the same protocol, the same settings, from Debian 13 on."""

from __future__ import annotations

from typing import ClassVar

from nuages.components.cache.redis import Redis


class Valkey(Redis):
    name: ClassVar[str] = "valkey"
    package: ClassVar[str] = "valkey-server"
    program: ClassVar[str] = "/usr/bin/valkey-server"
    title: ClassVar[str] = "Valkey"
