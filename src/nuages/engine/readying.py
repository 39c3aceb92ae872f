"""What a server needs before the site can live there: what is asked of it, and what is missing."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from nuages.components.certificates.own import Given
from nuages.engine.model import Desired, Live, Seat, Surroundings
from nuages.engine.readiness.conflicts import OTHER_PORT, port_taken
from nuages.engine.request import Console
from nuages.engine.surroundings import remember
from nuages.errors import HostError
from nuages.hosts import together
from nuages.hosts.transport import Transport
from nuages.topology.model import Tls, Topology


def settle_topology(topology: Topology, sites: Sequence[Seat]) -> Topology:
    """On servers TLS follows from the certificate that is there: the lead's says what settings are made for."""
    live = sites[0].live
    if live.web is None:
        return topology
    from nuages.components.web import decide, tls_policy

    told = {seat.live.host.name: seat.live.web.addresses for seat in sites if seat.live.web}
    hosts = tuple(replace(host, addresses=told.get(host.name, ())) for host in topology.hosts)
    topology = replace(topology, hosts=hosts)
    decision = decide(topology, hosts[0], live.web)
    allowed = tls_policy(topology, decision, _hsts(live))
    return replace(topology, tls=Tls(**{**allowed, "hsts_asked": topology.tls.hsts_seconds}))


def refuse_occupied(topology: Topology, sites: Sequence[Seat]) -> None:
    """Before anything is brought to a server where the site never was: is its place free? Raises HostError."""
    for seat in sites:
        if not topology.remote or seat.live.site:
            continue
        host, folder = seat.transport.name, seat.live.layout.dir
        if seat.answers["site"].get("of_others"):
            hint = 'give the site another name in nuages.toml: name = "...", or move the folder away on the server'
            raise HostError(f"{folder} on {host} is somebody else's", where=host, hint=hint)
        taken = (seat.answers.get("base") or {}).get("taken") or {}
        for port in _ports(topology):
            program = taken.get(str(port))
            if program is not None and program != topology.services.proxy:
                raise HostError(port_taken(port, host, program), where=host, hint=OTHER_PORT)


def _ports(topology: Topology) -> tuple[int, ...]:
    if topology.services.proxy == "none":
        return ()
    return (topology.port,) if topology.port else (80, 443)


def given_certificates(topology: Topology, here: Transport, console: Console) -> Given:
    """Files of the user's on this machine. Raises TopologyError where browsers would refuse them."""
    if not topology.remote:
        return Given()
    from nuages.components.certificates import own, seen

    given = own.read_given(topology.tls, topology.root)
    if topology.tls.certificate == "own":
        chain, key = (str(topology.root / name) for name in (topology.tls.cert_file, topology.tls.key_file))
        said = here.check(seen.question_of_files(sys.executable, chain, key)).stdout
        for note in own.check(json.loads(said), topology.domains):
            console.note(note)
    return given


def look_around(desired: Sequence[Desired], sites: Sequence[Seat]) -> tuple[Surroundings, ...]:
    """Compare what should lie on each server with what does. Raises HostError where something of others stands in the
    way. On this machine there is nothing to look at."""
    known = {id(seat.transport): (each, seat) for each, seat in zip(desired, sites, strict=True)}

    def look(transport: Transport) -> Surroundings:
        return _look(*known[id(transport)])

    return tuple(together([seat.transport for seat in sites], look))


def _look(desired: Desired, seat: Seat) -> Surroundings:
    if not desired.descriptions:
        return Surroundings()
    from nuages.components.certificates.seen import Seen
    from nuages.components.web import decide, notes
    from nuages.engine import readiness

    topology, descriptions, live, host = desired.placement.topology, desired.descriptions, seat.live, seat.transport
    ready = readiness.understand(_answers(seat, readiness.questions(descriptions, topology.name), topology))
    found = readiness.compare(descriptions, ready, host=host.name, site=topology.name, accept=topology.accept)
    if found.conflicts:
        (what, hint), *more = found.conflicts
        raise HostError(what, where=host.name, hint=hint, detail="\n".join(f"{w} ({h})" for w, h in more))
    decision = decide(topology, desired.placement.host, live.web or Seen())
    drift = (f"{d.path} {d.what}: {d.hint}" for d in found.drift)
    consent = (f"{c.what} ({', '.join(c.changes)}): {c.hint}" for c in found.consent)
    asked = replace(topology, tls=replace(topology.tls, hsts_seconds=topology.tls.hsts_asked))
    said = (*drift, *consent, *found.notes, *notes(asked, decision, _hsts(live)), *_too_much(desired, live))
    first = decision.ask and decision.certificate.kind == "acme"
    return Surroundings(found.steps, tuple(f"{host.name}: {note}" for note in said), first=first, drifted=bool(found.drift))


def _too_much(desired: Desired, live: Live) -> tuple[str, ...]:
    """Do the old and the new release fit the host together?"""
    from nuages.components.budget import shortage

    processes = desired.spec["processes"]
    web = sum(int(p["workers"]) for p in processes if p["kind"] == "web")
    workers, schedulers = (sum(int(p["instances"]) for p in processes if p["kind"] == kind) for kind in ("worker", "scheduler"))
    told = shortage(live.machine, desired.placement.topology, web, workers, schedulers)
    return (told,) if told else ()


def _answers(seat: Seat, questions: Mapping[str, Mapping[str, Any]], topology: Topology) -> Mapping[str, Any]:
    """They may have been given at first contact. Where the site has its place, nothing of others can stand in it."""
    plain = json.loads(json.dumps(questions))
    sites = seat.answers.get("ready", {}).get("ledger", {}).get("sites", {})
    needed = {"ready": plain["ready"]} if topology.name in sites and seat.asked.get("ready") == plain["ready"] else plain
    if {key: question for key, question in seat.asked.items() if key in plain} != needed:
        remember(topology, seat.transport.name, needed)
    if all(seat.asked.get(key) == question for key, question in needed.items()):
        return seat.answers
    return seat.transport.read(questions)


def _hsts(live: Live) -> int:
    return int((live.policy.get("tls") or {}).get("hsts_seconds") or 0)
