"""Hosts: where commands run. Only this room (and the lab) starts processes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from nuages.hosts.local import LocalTransport


if TYPE_CHECKING:
    from nuages.hosts.transport import Transport


@contextlib.contextmanager
def reach(topology: object) -> Iterator[Transport]:
    """The way to the hosts of a topology; today the one host is this machine."""
    yield LocalTransport()
