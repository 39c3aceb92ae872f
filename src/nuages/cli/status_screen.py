"""The screen of `nuages status`: what is wrong comes first, then machines, processes, requests, and the rest in a line each."""

from __future__ import annotations

import datetime as dt
import re
import time
from collections.abc import Iterable, Sequence
from typing import Any

import click

from nuages.cli.console import ago, count, table
from nuages.cli.site import Site
from nuages.insight.model import DEGRADED, DOWN, HEALTHY, NEVER, Deploy, HostFacts, Process, Status


COLOURS = {HEALTHY: "green", DEGRADED: "yellow", DOWN: "red"}
SGR = re.compile(r"\x1b\[[0-9;]*m")
LABEL = 13


def screen(found: Status, site: Site, width: int = 0) -> str:
    """`width` of the terminal, 0 where there is none: lines are cut there, and nothing is wrapped."""
    if found.state == NEVER:
        return f"{found.site} has not been deployed yet; {site.verb}"
    parts = [_head(found), _wrong(found), _hosts(found.hosts), _processes(found), _lines(found), _deploys(found.deploys)]
    lead = f" on {' and '.join(host.name for host in site.topology.hosts)}" if site.topology.remote else ""
    foot = click.style(f"state and logs in {site.layout.dir}{lead}", dim=True)
    text = "\n\n".join("\n".join(lines) for part in (*parts, [foot]) if (lines := list(part)))
    return "\n".join(cut(line, width) for line in text.splitlines()) if width else text


def cut(line: str, width: int) -> str:
    """As much of it as is seen in so many columns; colours take none."""
    if len(SGR.sub("", line)) <= width:
        return line
    shown, place = [], 0
    for piece in re.split(f"({SGR.pattern})", line):
        if SGR.fullmatch(piece):
            shown.append(piece)
        else:
            shown.append(piece[: max(0, width - 1 - place)])
            place += len(piece)
    return "".join(shown) + "…" + ("\x1b[0m" if SGR.search(line) else "")


def _head(found: Status) -> Iterable[str]:
    environment = f" ({found.environment})" if found.environment != "production" else ""
    page = "  (maintenance page on)" if found.maintenance else ""
    colour = COLOURS.get(found.verdict, "red")
    verdict = click.style(found.verdict, fg=colour, bold=True)
    words = [click.style(found.site + environment, bold=True), found.state, found.url]
    words += [verdict] if found.state not in (found.verdict, "stopped") else []
    yield "  ".join(filter(None, words)) + page
    release = found.release
    if release:
        source = release.commit[:10] or "working tree"
        changes = " + changes" if release.dirty and release.commit else ""
        by = "  ".join(filter(None, (f"by {release.by}" if release.by else "", since(release.at))))
        rest = f"config v{release.config}  Django {release.django}  Python {release.python}"
        yield f"v{release.number}  {source}{changes}  {by + '  ' if by else ''}{rest}"


def _wrong(found: Status) -> Iterable[str]:
    for problem in found.problems:
        yield click.style(f"! {problem}", fg="red" if found.verdict == DOWN else "yellow")
    for note in found.notes:
        yield f"- {note}"


def _hosts(hosts: Sequence[HostFacts]) -> Iterable[str]:
    rows = [_host(host) for host in hosts if host.reachable]
    for host in hosts:
        if not host.reachable:
            yield click.style(f"{host.name}  can't be reached: {host.problem}", fg="red")
            if host.hint:
                yield click.style(f"  hint: {host.hint}", dim=True)
    if rows:
        yield table(rows, ("host", "up", "load", "memory", "disk"))


def _host(host: HostFacts) -> tuple[str, ...]:
    load = f"{host.load[0]:.1f} on {host.cores}" if host.load else ""
    return (
        host.name,
        ago(host.uptime),
        load,
        _of(host.memory - host.memory_free, host.memory),
        _of(host.disk - host.disk_free, host.disk),
    )


def _of(used: int, size: int) -> str:
    return f"{used / 2**30:.1f} of {size / 2**30:.1f} GB" if size else ""


def _processes(found: Status) -> Iterable[str]:
    several = len(found.hosts) > 1
    rows = [_process(process, several=several) for process in found.processes]
    if rows:
        yield table(rows, ("process", "state", "up", "memory", "restarts", "pid"))


def _process(process: Process, *, several: bool) -> tuple[str, ...]:
    return (
        f"{process.host} {process.name}" if several else process.name,
        f"draining {process.generation}" if process.draining else process.state,
        ago(time.time() - process.since) if process.since else "",
        f"{process.memory_kb // 1024} MB",
        str(process.restarts),
        str(process.pid or ""),
    )


def process_table(processes: list[dict[str, Any]]) -> str:
    """As `nuages ps` shows them."""
    rows = [
        (
            str(p["name"]),
            str(p["kind"]),
            str(p["state"]),
            str(p.get("pid") or ""),
            _started(p.get("started")),
            f"{(p.get('rss_kb') or 0) // 1024} MB",
            str(p.get("restarts", 0)),
        )
        for p in processes
    ]
    return table(rows, ("name", "kind", "state", "pid", "up", "memory", "restarts"))


def _started(started: Any) -> str:
    return ago(time.time() - started) if isinstance(started, (int, float)) else since(str(started), "")


# --- the rest, a line each -----------------------------------------------------------------------------------


def _lines(found: Status) -> Iterable[str]:
    for label, text in (
        ("requests", _requests(found)),
        ("errors", _errors(found)),
        ("certificate", _certificate(found)),
        ("backup", _backup(found)),
        ("updates", _updates(found)),
    ):
        if text:
            yield f"{click.style(f'{label:<{LABEL}}', dim=True)}{text}"


def _requests(found: Status) -> str:
    told = found.traffic
    if told is None:
        return ""
    over = f"in {told.seconds / 60:.0f} min" if told.seconds >= 60 else f"in {told.seconds:.0f} s"  # noqa: PLR2004
    bounded = " (the end of a long log)" if told.partial else ""
    if not told.requests:
        return f"none {over}"
    times = "  ".join(
        f"{name} {milliseconds(value)}" for name, value in (("p50", told.p50), ("p95", told.p95), ("p99", told.p99))
    )
    return f"{told.per_minute:.1f} a minute, {told.error_share:.1%} failed {over}{bounded}  {times}"


def milliseconds(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def _errors(found: Status) -> str:
    told = found.errors
    if told is None:
        return ""
    if not told.groups:
        return "none that is open"
    new = f", {told.new} came with v{found.release.number}" if told.new and found.release else ""
    return f"{count(told.groups, 'kind')} open{new}; {told.hour} in the last hour"


def _certificate(found: Status) -> str:
    known = [each for each in found.certificates if each.names]
    if not known:
        return ""
    first = min(known, key=lambda each: each.days_left)
    return f"{', '.join(first.names[:3])}: {first.days_left:.0f} days left"


def _backup(found: Status) -> str:
    told = found.backup
    if told is None:
        return ""
    where = f" to {told.where}" if told.where else ""
    return f"{ago(time.time() - told.at)} ago{where}" + ("" if told.ok else f", failed: {told.problem}")


def _updates(found: Status) -> str:
    known = [host.updates for host in found.hosts if host.updates]
    if not known:
        return ""
    pending, security = sum(each.pending for each in known), sum(each.security for each in known)
    oldest = min(each.checked for each in known)
    checked = f"; lists of {ago(time.time() - oldest)} ago" if oldest else "; the lists were never fetched"
    reboot = "; a reboot is wanted" if any(each.reboot for each in known) else ""
    return f"{pending} wait, {security} of them for security{checked}{reboot}"


def _deploys(deploys: Sequence[Deploy]) -> Iterable[str]:
    if deploys:
        rows = [(since(d.at), d.who, f"nuages {d.what}", d.outcome or "under way", d.reason) for d in deploys]
        yield table(rows, ("when", "who", "what", "outcome", "reason"))


def since(at: str, after: str = " ago") -> str:
    """How long ago a time in text was."""
    try:
        return ago(time.time() - dt.datetime.fromisoformat(at).timestamp()) + after
    except ValueError:
        return ""
