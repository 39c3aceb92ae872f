"""What a server needs before the site can live there: what is asked of it, and what is missing."""

from __future__ import annotations

from collections.abc import Sequence

from nuages.engine.model import Desired, Seat, Surroundings
from nuages.engine.request import Console
from nuages.topology.model import Topology


def settle_topology(topology: Topology, sites: Sequence[Seat], console: Console) -> Topology:
    """The topology with what depends on the hosts filled in: is there TLS, which cache."""
    return topology


def look_around(desired: Sequence[Desired], sites: Sequence[Seat]) -> tuple[Surroundings, ...]:
    """Compare what should lie on each server with what does; nothing on this machine."""
    return tuple(Surroundings() for _seat in sites)
