"""Bring a build to the hosts where the site lives."""

from __future__ import annotations

from collections.abc import Sequence

from nuages.engine.model import Seat
from nuages.engine.prepare import Prepared
from nuages.engine.request import Console
from nuages.hosts.transport import Transport
from nuages.release.build import Build
from nuages.release.layout import Layout
from nuages.settings.configuration import Configuration
from nuages.topology.model import Topology


def ship(
    prepared: Prepared,
    sites: Sequence[Seat],
    here: Transport,
    store: Layout,
    topology: Topology,
    config: Configuration,
    console: Console,
) -> tuple[Build, ...]:
    """The build as it lies on each host."""
    return tuple(prepared.build for _seat in sites)
