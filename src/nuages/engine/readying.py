"""What a server needs before the site can live there: what is asked of it, and what is missing."""

from __future__ import annotations

from collections.abc import Sequence

from nuages.engine.model import Desired, Seat, Surroundings
from nuages.engine.request import Console
from nuages.errors import HostError
from nuages.hosts import together
from nuages.hosts.transport import Transport
from nuages.topology.model import Topology


def settle_topology(topology: Topology, sites: Sequence[Seat], console: Console) -> Topology:
    """The topology with what depends on the hosts filled in: is there TLS, which cache."""
    return topology


def look_around(desired: Sequence[Desired], sites: Sequence[Seat]) -> tuple[Surroundings, ...]:
    """Compare what should lie on each server with what does. Raises HostError where something of others stands in the
    way. On this machine there is nothing to look at."""
    by_transport = {id(seat.transport): each for each, seat in zip(desired, sites, strict=True)}

    def look(transport: Transport) -> Surroundings:
        return _look(by_transport[id(transport)], transport)

    return tuple(together([seat.transport for seat in sites], look))


def _look(desired: Desired, host: Transport) -> Surroundings:
    if not desired.descriptions:
        return Surroundings()
    from nuages.engine import readiness

    topology, descriptions = desired.placement.topology, desired.descriptions
    answers = host.read(readiness.questions(descriptions, topology.name))
    ready = readiness.understand(answers)
    found = readiness.compare(descriptions, ready, host=host.name, site=topology.name, accept=topology.accept)
    if found.conflicts:
        (what, hint), *more = found.conflicts
        raise HostError(what, where=host.name, hint=hint, detail="\n".join(f"{w} ({h})" for w, h in more))
    return Surroundings(found.steps, (*map(str, found.drift), *map(str, found.consent), *found.notes))
