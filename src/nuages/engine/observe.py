"""What a host is: one round of reads."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from nuages.components.base.facts import QUESTIONS
from nuages.components.certificates.seen import understand as understand_web
from nuages.components.contract import Machine
from nuages.components.registry import database
from nuages.components.templating import load_templates
from nuages.engine import surroundings
from nuages.engine.model import PAGE, WINDOW, Live, Seat
from nuages.errors import StateError
from nuages.hosts import Hosts, early, together
from nuages.hosts.transport import Transport
from nuages.release.layout import SCHEMA, Layout
from nuages.release.shipped import runtime_digest
from nuages.topology.model import HERE, Host, Topology


FRESH = 60  # seconds for which what first contact told is believed, where nothing was changed by us


@dataclass(frozen=True)
class Again:
    """Questions under the lock; `spare` names those that first contact, whose answers are `before`, may have answered."""

    asked: Mapping[str, Mapping[str, Any]]
    spare: Mapping[str, Any]
    before: Mapping[str, Any] = field(repr=False)

    @property
    def questions(self) -> tuple[Mapping[str, Mapping[str, Any]], Mapping[str, Any]]:
        return self.asked, self.spare

    def whole(self, told: Mapping[str, Any]) -> dict[str, Any]:
        return {**{key: self.before[key] for key in self.spare.get("keys", ()) if key not in told}, **told}


def observe(here: Transport, layout: Layout, topology: Topology | None = None) -> Live:
    """Read the site, the machine and the supervisor in one round trip. Raises StateError."""
    return understand(here.read(questions(layout)), layout, topology)


def seats(hosts: Hosts, layout: Layout, topology: Topology, owner: Topology | None) -> tuple[Seat, ...]:
    """First contact with every host, at the same time. Raises StateError, and HostError naming each that can't be reached."""
    asked = asked_of_all(hosts, layout, topology)
    if early.UNDER_WAY:  # they are thinking already: what takes a moment and is needed afterwards is got ready now
        load_templates()
        runtime_digest()
    answers = together(hosts.all, lambda host: host.read(asked[host.name]))
    if topology.remote:
        early.remember(str(topology.root), [(host, asked[host.name]) for host in topology.hosts])
    return seated(hosts, asked, answers, layout, topology, owner)


def asked_again(hosts: Hosts, sites: Sequence[Seat], layout: Layout, topology: Topology) -> dict[str, Again]:
    """By the host's name, under the lock: the site, and all else where Nuages has changed anything there since first contact."""
    asked = asked_of_all(hosts, layout, topology)
    applied = {} if hosts.lead.gate else _applied(topology, sites[0].live.machine)
    found = {}
    for seat in sites:
        name = seat.transport.name
        known = [key for key, question in asked[name].items() if key != "site" and seat.asked.get(key) == question]
        mark = seat.answers["site"].get("mark") if time.monotonic() - seat.seen < FRESH else ""
        found[name] = Again(asked[name], {"dir": str(layout.dir), "mark": mark, "keys": known} if mark else {}, seat.answers)
    lead = found[hosts.lead.name]
    return {**found, hosts.lead.name: replace(lead, asked={**lead.asked, **applied})}


def seats_again(
    hosts: Hosts, again: Mapping[str, Again], lead: Mapping[str, Any], layout: Layout, topology: Topology, owner: Topology | None
) -> tuple[Seat, ...]:
    """Under the lock: `lead` are the answers of the host that holds it."""
    rest = hosts.all[1:]
    others = together(rest, lambda host: host.read(*again[host.name].questions)) if rest else []
    answers = [again[host.name].whole(told) for host, told in zip(hosts.all, (lead, *others), strict=True)]
    return seated(hosts, {name: each.asked for name, each in again.items()}, answers, layout, topology, owner)


def _applied(topology: Topology, machine: Machine) -> dict[str, Mapping[str, Any]]:
    """Which migrations the site's own database has, asked of itself: Django takes a hundred times as long to say so."""
    asked = database(topology.services.database).applied(topology, machine) if topology.remote else None
    return {"applied": {"kind": "command", "argv": list(asked.argv), "user": asked.user, "timeout": 10}} if asked else {}


def is_as_before(before: Sequence[Seat], now: Sequence[Seat]) -> bool:
    """Is what a deploy was prepared for still what is live?"""

    def told(sites: Sequence[Seat]) -> list[tuple[Any, Any]]:
        return [(seat.live.number, (seat.live.config or {}).get("version")) for seat in sites]

    return told(before) == told(now)


def asked_of_all(hosts: Hosts, layout: Layout, topology: Topology) -> dict[str, dict[str, Mapping[str, Any]]]:
    """By the host's name: the site, the machine, and what was asked of its surroundings the last time."""
    named = {host.name: host for host in topology.hosts}
    return {
        host.name: {**questions(layout, topology, named.get(host.name, HERE)), **surroundings.remembered(topology, host.name)}
        for host in hosts.all
    }


def seated(
    hosts: Hosts,
    asked: Mapping[str, Mapping[str, Any]],
    answers: Sequence[Mapping[str, Any]],
    layout: Layout,
    topology: Topology,
    owner: Topology | None,
) -> tuple[Seat, ...]:
    declared = topology.hosts or (HERE,)
    found = zip(hosts.all, declared, answers, strict=True)
    return tuple(
        Seat(host, replace(understand(answer, layout, owner), host=named), asked[host.name], answer, time.monotonic())
        for host, named, answer in found
    )


def questions(layout: Layout, topology: Topology | None = None, host: Host = HERE) -> dict[str, Mapping[str, Any]]:
    """A server is asked more: what it needs before a site can live there, and which certificates it has."""
    control = str(layout / "keeper" / "current" / "ctl.py")
    return {
        "host": {"kind": "host"},
        "site": {"kind": "site", "dir": str(layout.dir)},
        "port": {"kind": "free_port", "after": 8000},
        "supervisor": {"kind": "supervisor", "program": control, "dir": str(layout.dir)},
        **(_of_a_server(layout, topology, host) if topology and topology.remote else {}),
    }


def _of_a_server(layout: Layout, topology: Topology, host: Host) -> dict[str, Mapping[str, Any]]:
    from nuages.components.web import web_question

    return {**QUESTIONS, "web": web_question(topology, layout, host)}


def understand(answers: Mapping[str, Any], layout: Layout, topology: Topology | None = None) -> Live:
    """What the answers to `questions` say. Raises StateError."""
    site = answers["site"]
    _check_site(site["site"], layout, topology)
    return Live(
        layout=layout,
        machine=_machine(answers["host"], answers.get("base") or {}),
        site=site["site"],
        release=_readable(site["live"]),
        numbered=site["numbered"],
        config=_readable(site["config"]),
        builds=tuple(site["builds"]),
        venvs=tuple(site["venvs"]),
        supervisor=_supervisor(answers["supervisor"]),
        snapshots=tuple(site["snapshots"]),
        kept_since=_readable(site["kept_since"]),
        unfinished=_readable(site["unfinished"]),
        programs=site["programs"],
        maintenance=site["maintenance"],
        page_left=site["maintenance_by"] in (PAGE, WINDOW),
        page_holds=site["maintenance_by"] == WINDOW,
        free_port=answers["port"]["port"],
        manifest=_readable(site.get("manifest")),
        access=_readable(site.get("access")) or {},
        locked=bool(site.get("lock")),
        policy=_readable(site.get("policy")) or {},
        web=understand_web(answers["web"]) if answers.get("web") else None,
    )


def _machine(host: Mapping[str, Any], base: Mapping[str, Any]) -> Machine:
    plain = {key: host[key] for key in ("os", "os_version", "arch", "libc", "ssh_port", "pythons") if host.get(key)}
    return Machine(host["cores"], host["memory"], python=host["python_path"], python_version=host["python"], facts=base, **plain)


def _supervisor(answer: Mapping[str, Any] | None) -> Mapping[str, Any]:
    if not answer or answer["status"] != 0:
        return {}
    try:
        status = json.loads(answer["stdout"])
    except ValueError:
        return {}
    return status if isinstance(status, dict) and not status.get("error") and status.get("supervisor") else {}


def _readable(value: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    if value and "unreadable" in value:
        raise StateError(
            "this file can't be read",
            where=value["unreadable"],
            hint="it may belong to another user, or be damaged: restore it, or move it away",
        )
    return value


def _check_site(site: Mapping[str, Any] | None, layout: Layout, topology: Topology | None) -> None:
    if not site:
        return
    _readable(site)
    if site.get("schema", 0) > SCHEMA:
        raise StateError(
            f"this site was written by a newer Nuages (schema {site['schema']}, this one knows {SCHEMA})",
            where=str(layout.dir),
            hint="upgrade Nuages here",
        )
    if topology and not topology.remote and site.get("root") and site["root"] != str(topology.root):
        raise StateError(
            f"a site called {topology.name} was deployed from {site['root']}",
            where=str(topology.root),
            hint='give this one another name in nuages.toml (name = "..."), or `nuages destroy` the other; if the folder moved: nuages up --adopt',
        )
