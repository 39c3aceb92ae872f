"""The commonest case: there is nothing to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nuages.components.certificates.own import Given
from nuages.engine.compose import compose_all
from nuages.engine.model import Plan, Seat
from nuages.engine.plan import make_plans
from nuages.engine.readying import look_around
from nuages.engine.request import Request
from nuages.engine.rollout import roll_out
from nuages.release.build import Build
from nuages.settings.configuration import Configuration
from nuages.topology.model import Topology


def at_rest(
    topology: Topology,
    sites: Sequence[Seat],
    builds: Sequence[Build],
    config: Configuration,
    policy: Mapping[str, Any],
    given: Given,
    request: Request,
) -> Plan | None:
    """The empty plan, where what is live is what should be: known from the first contact, without taking the lock."""
    if any(seat.live.locked for seat in sites):
        return None
    desired = compose_all(topology, sites, builds, config, policy, "rest", request.signature(), given)
    if request.force or any(each.new for each in desired):
        return None
    plan = roll_out(make_plans(desired, sites, (), look_around(desired, sites), request), topology)
    return plan if plan.empty else None
