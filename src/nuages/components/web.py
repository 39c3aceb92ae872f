"""Proxy and certificate together, in the order in which they must come; the two rooms do not know each other.

A certificate needs a proxy that answers on port 80, and a proxy needs a certificate before it can speak TLS. So what all
sites of the host share comes first (it answers authorities for any name), then the certificate, then the site, over
https only where a certificate was there before the plan was made. Where `decision.ask` is true, observe and plan again
once this was applied: then the site moves to https, or its note says why not.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from nuages.components.certificates import deciding
from nuages.components.certificates.acme import Acme
from nuages.components.certificates.deciding import Decision
from nuages.components.certificates.local_ca import LocalCa
from nuages.components.certificates.own import Given, Own
from nuages.components.certificates.seen import Seen, question
from nuages.components.contract import Description, Placement
from nuages.components.proxy import names_of
from nuages.components.registry import proxy
from nuages.release.layout import Layout
from nuages.topology.model import Host, Topology


def web_question(topology: Topology, layout: Layout, host: Host) -> dict[str, Any]:
    """For the agent, in the round of reads; `seen.understand` makes a `Seen` of the answer."""
    return question(topology, layout, names_of(topology, host))


def decide(topology: Topology, host: Host, seen: Seen) -> Decision:
    return deciding.decide(topology, host, names_of(topology, host), seen)


def describe_web(placement: Placement, decision: Decision, given: Given | None = None) -> tuple[Description, ...]:
    """In order. `given` holds the files of the user's that the topology names (`own.read_given`)."""
    if placement.topology.services.proxy == "none":
        return ()
    chosen = proxy(placement.topology.services.proxy)
    certificate = _certificate(placement, decision, given or Given())
    return (*chosen.host(placement), *((certificate,) if certificate else ()), chosen.site(placement, decision.certificate))


def _certificate(placement: Placement, decision: Decision, given: Given) -> Description | None:
    topology = placement.topology
    kind = topology.tls.certificate
    if kind == "own" and decision.certificate.ready:
        return Own().describe(placement, decision, given)
    if not (decision.ask or decision.certificate.ready):
        return None
    if kind == "acme":
        return Acme().describe(placement, decision, given.ca)
    return LocalCa().describe(placement, decision) if kind == "local-ca" else None


def tls_policy(topology: Topology, decision: Decision, hsts_before: int = 0) -> dict[str, Any]:
    """`policy["tls"]` of a site on servers: enabled where https is spoken, with as much HSTS as is wise.

    `hsts_before` is `policy["tls"]["hsts_seconds"]` of the live release. Where something in front of the servers speaks
    TLS (tls.certificate none, tls.enabled, trusted_proxies), what is declared counts.
    """
    in_front = topology.tls.certificate == "none" and topology.tls.enabled
    seconds, _why = deciding.hsts_allowed(topology, decision, hsts_before)
    return {**asdict(topology.tls), "enabled": decision.certificate.ready or in_front, "hsts_seconds": seconds}


def notes(topology: Topology, decision: Decision, hsts_before: int = 0) -> tuple[str, ...]:
    """What people should read in the plan."""
    _seconds, why = deciding.hsts_allowed(topology, decision, hsts_before)
    http = () if decision.certificate.ready else (f"served over http for now: {decision.certificate.note}",)
    rest = decision.notes if decision.certificate.ready else ()
    return (*http, *rest, *((f"HSTS is held back: {why}",) if why else ()))
