"""Promotion: the build that is live in one environment goes live in another, without being built again.

What differs between them stays theirs: configuration, domains, database, uploads, scale, `[settings]`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from nuages.engine.model import Live, Seat
from nuages.engine.observe import seats
from nuages.engine.prepare import find_build
from nuages.engine.request import Request
from nuages.errors import ReleaseError, UsageError
from nuages.hosts import reach
from nuages.hosts.transport import Progress
from nuages.release.layout import site_layout
from nuages.release.promoting import Origin, bring, origin, policy_there
from nuages.topology.model import Host, Topology


@dataclass(frozen=True)
class Promotion:
    """A build that lies at its new site, ready for a deploy of `Request(source="build")`."""

    build: str
    policy: Mapping[str, Any]
    release: Mapping[str, Any]  # what was live in the environment it comes from


def promote(source: Topology, target: Topology, progress: Progress) -> Promotion:
    """Bring the live build of one environment to every host of another. Changes nothing that is live.

    Raises UsageError where there is nothing to promote, and ReleaseError where a host can't take it.
    """
    _refuse(source, target)
    ours = site_layout(target)
    with reach(source) as theirs:
        there = seats(theirs, site_layout(source), source, source)
        live = there[0].live
        if not live.release:
            raise UsageError(f"{source.name} has not been deployed yet", hint=f"nuages -e {source.environment} deploy")
        build = find_build(theirs.lead, live, str(live.release["build"]))
        from_ = origin(theirs.lead, live.layout, build)
        with reach(target) as hosts:
            for seat in seats(hosts, ours, target, target):
                _bring(from_, there[0], seat, target, progress)
    return Promotion(build.id, policy_there(live.policy, live.layout, ours), live.release)


def _bring(from_: Origin, there: Seat, seat: Seat, target: Topology, progress: Progress) -> None:
    _refuse_other_machine(there.live, seat.live)
    same = _address(there.live.host) == _address(seat.live.host)
    account = target.account if seat.live.site else ""
    bring(from_, seat.transport, seat.live.layout, progress, same=same, account=account, cores=seat.live.machine.cores)


def _address(host: Host) -> tuple[str, int, str]:
    return host.address, host.port, host.ssh_config


def _refuse(source: Topology, target: Topology) -> None:
    if source.name == target.name:
        raise UsageError(f"{source.environment} and {target.environment} are one site", where=source.name)
    for each in (source, target):
        if not each.remote:
            what = f"{each.environment} lives on this machine"
            raise UsageError(what, hint="promotion is between servers; here `nuages up` builds it from the same files")


def _refuse_other_machine(theirs: Live, ours: Live) -> None:
    """What is compiled for one machine does not run on another."""
    for what in ("arch", "libc"):
        old, new = getattr(theirs.machine, what), getattr(ours.machine, what)
        if what == "arch" and old != new:
            raise ReleaseError(f"{ours.host.name} is {new}, the build is for {old}", hint="nuages deploy builds it for there")
        if what == "libc" and _libc(new) < _libc(old):
            hint = "nuages deploy builds it for there"
            raise ReleaseError(f"{ours.host.name} has {new}, the build may need {old}", hint=hint)


def _libc(said: str) -> tuple[str, tuple[int, ...]]:
    name, _, version = said.partition(" ")
    return name, tuple(int(part) for part in version.split(".") if part.isdigit())


def request_of(promotion: Promotion, request: Request, source: Topology, target: Topology) -> Request:
    why = request.why or f"promoted from {source.environment} v{promotion.release['number']}"
    build: dict[str, Any] = {"source": "build", "build": promotion.build, "policy": promotion.policy}
    return replace(request, what="promote", environment=target.environment, why=why, **build)
