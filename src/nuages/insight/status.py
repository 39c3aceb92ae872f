"""How a site stands: one round trip to each host, all at the same time; a host that is down does not silence the others."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

from nuages.engine.model import Live
from nuages.engine.observe import questions, understand
from nuages.errors import HostError
from nuages.hosts import Hosts
from nuages.hosts.transport import Transport
from nuages.insight import backups, book, judging, services, traffic
from nuages.insight.facts import facts_of, url_of
from nuages.insight.model import (
    NEVER,
    UNKNOWN,
    Certificate,
    Deploy,
    HostFacts,
    Process,
    ReleaseFacts,
    Status,
    Updates,
)
from nuages.release.layout import Layout, site_layout
from nuages.topology.model import HERE, Host, Topology


WINDOW = 900.0
DEPLOYS = 5
SLOW = 5.0  # seconds of a round trip over which it tells nothing of the host's clock
CHANGES = ("deploy", "up", "rollback", "promote", "config", "scale", "restart", "start")


@dataclass(frozen=True)
class Look:
    """What one host answered, or why it did not. `took` is when it was asked and when the answer had come."""

    host: Host
    answer: Mapping[str, Any] | None = None
    error: HostError | None = None
    took: tuple[float, float] = (0, 0)
    live: Live | None = field(default=None, repr=False)


def gather(
    topology: Topology, hosts: Hosts, layout: Layout | None = None, *, window: float = WINDOW, updates: bool = True
) -> Status:
    """Everything that is known of a site. Never raises for a host that can't be reached: that is in the answer. Raises
    StateError where what lies there is not this site's.

    `window`: seconds of the log of requests. `updates`: ask for pending packages too, half a second of the host's time.
    """
    layout = layout or site_layout(topology)
    looks = look(topology, hosts, layout, window=window, updates=updates)
    return understood(topology, layout, looks)


def look(topology: Topology, hosts: Hosts, layout: Layout, *, window: float, updates: bool) -> list[Look]:
    named = {host.name: host for host in topology.hosts}

    def ask(transport: Transport) -> Look:
        host = named.get(transport.name, HERE)
        begun = time.time()
        try:
            answer = transport.read(asked(topology, layout, host, window=window, updates=updates))
            live = understand(answer, layout, topology)
        except HostError as error:
            return Look(host, error=error)
        return Look(host, answer, took=(begun, time.time()), live=replace(live, host=host))

    with ThreadPoolExecutor(len(hosts.all)) as pool:
        return list(pool.map(ask, hosts.all))


def asked(
    topology: Topology, layout: Layout, host: Host, *, window: float = WINDOW, updates: bool = True
) -> dict[str, Mapping[str, Any]]:
    return {
        **{key: question for key, question in questions(layout, topology, host).items() if key not in ("base", "port")},
        "port": {"kind": "free_port", "after": 65535},  # of no interest here, and cheap
        "vitals": {"kind": "vitals", "dir": str(layout.dir), "updates": updates and topology.remote},
        "audit": {"kind": "audit", "path": str(layout.audit), "limit": 200},
        "traffic": traffic.question(topology, layout, window),
        "errors": book.question(topology, layout, "count"),
        **backups.questions(layout),
        **services.question(topology),
    }


def understood(topology: Topology, layout: Layout, looks: Sequence[Look]) -> Status:
    told = [each for each in looks if each.answer is not None]
    lead = looks[0].live
    release = release_of(lead) if lead else None
    counted = [each.answer["errors"] for each in told if each.answer]
    found = Status(
        site=topology.name,
        environment=topology.environment,
        state=state_of(lead),
        verdict=UNKNOWN,
        url=url_of(topology, lead) if lead and lead.serving else "",
        maintenance=any(each.live.maintenance for each in told if each.live),
        release=release,
        hosts=tuple(replace(host_facts(each), stopped=services.stopped(topology, each.answer or {})) for each in looks),
        processes=tuple(process for each in told for process in processes_of(each)),
        deploys=deploys_of((looks[0].answer or {}).get("audit") or ()),
        certificates=tuple(c for each in told if (c := certificate_of(topology, each))),
        backup=backups.understood(told[0].answer or {}) if told else None,
        traffic=traffic.added([each.answer["traffic"] for each in told if each.answer]),
        errors=book.counted(counted, release.number if release else 0),
        at=time.time(),
        facts={each.host.name: facts_of(topology, each.live) for each in told if each.live},
    )
    return judging.judged(found, topology)


def state_of(lead: Live | None) -> str:
    if lead is None:
        return UNKNOWN
    if not lead.release:
        return NEVER
    return "running" if lead.serving else "stopped"


def release_of(live: Live) -> ReleaseFacts | None:
    known, manifest = live.release, live.manifest or {}
    if not known:
        return None
    return ReleaseFacts(
        number=live.number,
        build=str(known["build"]),
        commit=str(known.get("commit") or ""),
        dirty=bool(known.get("dirty")),
        config=int(known.get("config") or 0),
        by=str(known.get("by") or ""),
        at=str(known.get("at") or ""),
        django=str(manifest.get("django") or known.get("django") or ""),
        python=str(manifest.get("python") or known.get("python") or ""),
        back_to=int(known.get("rollback_to") or 0),
    )


def host_facts(each: Look) -> HostFacts:
    if each.answer is None:
        error = each.error or HostError("no answer")
        return HostFacts(each.host.name, reachable=False, problem=error.what, hint=error.hint)
    told = each.answer["vitals"]
    begun, ended = each.took
    clock = told["now"] - (begun + ended) / 2 if ended - begun < SLOW else 0
    plain = {key: told[key] for key in HostFacts.__dataclass_fields__ if key in told and key not in ("load", "updates")}
    updates = Updates(**told["updates"]) if told.get("updates") else None
    # What the host measured lies somewhere between the two: no more is known of its clock than that.
    clock = 0 if abs(clock) <= (ended - begun) / 2 else clock
    return HostFacts(each.host.name, **plain, load=tuple(told["load"]), clock=clock, updates=updates)


def processes_of(each: Look) -> list[Process]:
    generations = each.live.supervisor.get("generations", {}) if each.live else {}
    return [
        _process(each.host.name, generation, told, process)
        for generation, told in generations.items()
        for process in told.get("processes", ())
    ]


def _process(host: str, generation: str, told: Mapping[str, Any], process: Mapping[str, Any]) -> Process:
    return Process(
        host=host,
        name=str(process["name"]),
        kind=str(process.get("kind") or ""),
        state=str(process.get("state") or ""),
        generation=generation,
        draining=told.get("state") == "draining",
        pid=process.get("pid"),
        since=_seconds(process.get("started")),
        restarts=int(process.get("restarts") or 0),
        memory_kb=int(process.get("rss_kb") or 0),
        ended=str(process.get("ended") or ""),
    )


def _seconds(value: Any) -> float | None:
    import datetime as dt

    if isinstance(value, (int, float)):
        return float(value)
    try:
        return dt.datetime.fromisoformat(str(value)).timestamp()
    except ValueError:
        return None


def certificate_of(topology: Topology, each: Look) -> Certificate | None:
    seen = each.live.web if each.live else None
    if seen is None or topology.tls.certificate == "none" or topology.services.proxy == "none":
        return None
    pair = seen.served if seen.served.usable or not seen.wanted.usable else seen.wanted
    if not pair.usable and not seen.error and not seen.linked:
        return Certificate(each.host.name, problem=pair.problem) if topology.domains else None
    left = (pair.not_after - seen.now) / 86400 if pair.not_after else 0
    problem = pair.problem or (seen.renewal_error and f"renewal fails: {seen.renewal_error}") or ""
    return Certificate(each.host.name, pair.names, pair.issuer, pair.not_after, left, problem)


def deploys_of(audit: Sequence[Mapping[str, Any]]) -> tuple[Deploy, ...]:
    """The last changes, newest first. A change begins with `taken` and ends with `released` or `broken`."""
    found: dict[str, Deploy] = {}
    for line in audit:
        token = str(line.get("deploy") or line.get("at"))
        if line.get("event") == "taken":
            found[token] = Deploy(
                str(line["at"]), str(line.get("who", "")), str(line.get("what", "")), "", line.get("reason", "")
            )
        elif token in found:
            outcome = line.get("outcome") or ("broken off" if line.get("event") in ("broken", "expired") else "ended")
            found[token] = replace(found[token], outcome=str(outcome))
    changes = [d for d in found.values() if d.what.split()[:1] and d.what.split()[0] in CHANGES]
    return tuple(reversed(changes[-DEPLOYS:]))
