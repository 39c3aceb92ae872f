"""The book of errors that a site's processes keep (runtime/errorbook.py), asked on each host as the site's account."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from nuages.errors import StateError
from nuages.hosts import Hosts, together
from nuages.insight.model import ErrorCount, ErrorGroup
from nuages.release.layout import Layout
from nuages.topology.model import Topology


def question(topology: Topology, layout: Layout, *words: str) -> dict[str, Any]:
    """The program is the live release's own; it needs no more than the host's Python."""
    program = str(layout.current / "runtime" / "nuages_runtime" / "errorbook.py")
    argv = ["python3", "-I", "-S", program, str(layout / "errors"), *words]
    return {"kind": "command", "argv": argv, "user": topology.account, "timeout": 20}


def answered(answer: Mapping[str, Any]) -> Any:
    """None where there is no book: an older release, or no site."""
    if answer.get("status") != 0:
        return None
    try:
        return json.loads(answer["stdout"])
    except (KeyError, ValueError):
        return None


def counted(answers: Sequence[Mapping[str, Any]], release: int) -> ErrorCount | None:
    told = [found for answer in answers if (found := answered(answer)) is not None]
    if not told:
        return None
    ids = {ident for found in told for ident in found["open"]}
    new = {ident for found in told for ident, number in found["open"].items() if number == release and release > 1}
    unsent = next((str(found["mail"]) for found in told if found.get("mail")), "")
    return ErrorCount(len(ids), len(new), sum(found["hour"] for found in told), unsent)


def ask(topology: Topology, hosts: Hosts, layout: Layout, *words: str) -> list[Any]:
    """What the book of each host answers. Raises HostError where one can't be reached."""
    found = together(hosts.all, lambda host: host.read({"it": question(topology, layout, *words)})["it"])
    return [answered(each) for each in found]


def listed(topology: Topology, hosts: Hosts, layout: Layout, since: float = 0) -> tuple[ErrorGroup, ...]:
    """All kinds, of all hosts together; the one that was seen last comes first. Raises StateError where no release keeps a
    book: it was deployed by an older Nuages."""
    merged: dict[str, ErrorGroup] = {}
    answers = ask(topology, hosts, layout, "list", f"{since:.0f}")
    if all(told is None for told in answers):
        what = "the live release keeps no book of errors: it was made by an older Nuages"
        raise StateError(
            what,
            where=topology.name,
            hint=f"{'nuages deploy' if topology.remote else 'nuages up'}; until then, nuages logs --level error",
        )
    for told in answers:
        for each in told or ():
            group = group_of(each)
            merged[group.id] = added(merged[group.id], group) if group.id in merged else group
    return tuple(sorted(merged.values(), key=lambda group: -group.last))


def group_of(told: Mapping[str, Any]) -> ErrorGroup:
    return ErrorGroup(
        id=str(told["id"]),
        type=str(told.get("type") or ""),
        where=str(told.get("where") or ""),
        message=str(told.get("message") or ""),
        count=int(told.get("count") or 0),
        first=float(told.get("first") or 0),
        last=float(told.get("last") or 0),
        release=int(told.get("first_release") or 0),
        build=str(told.get("first_build") or ""),
        releases={int(number): int(many) for number, many in (told.get("releases") or {}).items()},
        processes=dict(told.get("processes") or {}),
        hosts=dict(told.get("hosts") or {}),
        hours={int(at): int(many) for at, many in (told.get("hours") or {}).items()},
        resolved=float(told.get("resolved") or 0),
        reopened=int(told.get("reopened") or 0),
    )


def added(one: ErrorGroup, other: ErrorGroup) -> ErrorGroup:
    """It is resolved where it is so on every host."""
    first, last = min(one, other, key=lambda group: group.first), max(one, other, key=lambda group: group.last)
    return replace(
        last,
        first=first.first,
        release=first.release,
        build=first.build,
        count=one.count + other.count,
        resolved=min(one.resolved, other.resolved),
        reopened=max(one.reopened, other.reopened),
        releases=_sum(one.releases, other.releases),
        processes=_sum(one.processes, other.processes),
        hosts=_sum(one.hosts, other.hosts),
        hours=_sum(one.hours, other.hours),
    )


def _sum(one: Mapping[Any, int], other: Mapping[Any, int]) -> dict[Any, int]:
    return {key: one.get(key, 0) + other.get(key, 0) for key in (*one, *(k for k in other if k not in one))}
