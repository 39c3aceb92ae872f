"""Run every check, merge what Django and the probe found, apply what the user has silenced, put the worst first."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

from nuages.hosts.transport import Transport
from nuages.project.model import Project
from nuages.settings.checks import commit, dependencies, files, history, secrets, security, versions
from nuages.settings.checks.catalog import CATALOG, group_of
from nuages.settings.checks.django import django_findings
from nuages.settings.checks.registry import REGISTRY, SEVERITIES, CheckFunction, Context, finding
from nuages.settings.checks.source import Source
from nuages.settings.model import Finding
from nuages.topology.model import Silence, Topology


MODULES = (
    commit,
    dependencies,
    files,
    history,
    secrets,
    security,
    versions,
)  # importing them registers their checks

RAN = "audit.ran"
SLOW = {"secrets.N004", "dependencies.N001"}


def run_checks(
    project: Project,
    topology: Topology,
    *,
    root: Path,
    here: Transport,
    today: date,
    live: str | None = None,
    pending: tuple[str, ...] = (),
    deep: bool = True,
) -> tuple[Finding, ...]:
    """Every finding, silenced ones included (`silenced` holds the reason), errors first. Never raises for one check.

    `live` is the commit that serves now; `pending` names the migrations that are not applied yet. Without `deep` the
    slow look-ups (git history, known holes: seconds) are left out, and so is any claim about them.
    """
    source = Source(root, project.files, here)
    context = Context(project, topology, root, here, source, today, live, pending)
    found: list[Finding] = []
    for ids, function in REGISTRY:
        if not deep and SLOW.intersection(ids):
            continue
        found += guarded(ids, function, context)
    found += guarded(("settings.N002",), django_findings, context)
    found += (in_one_process(one, project, topology) for one in inside_findings(project))
    return in_order(apply_silence(found, topology.silenced))


def guarded(ids: tuple[str, ...], function: CheckFunction, context: Context) -> list[Finding]:
    try:
        return list(function(context))
    except Exception as error:  # noqa: BLE001 a check that fails must not stop the others, nor pass for clean
        what = f"the check {', '.join(ids)} could not run: {type(error).__name__}: {error}"
        return [finding("settings.N002", "unknown", what)]


def inside_findings(project: Project) -> Iterator[Finding]:
    """What runtime/audit.py found inside the project's own process; it ends with a mark, so silence is not cleanness."""
    if not any(told.get("id") == RAN for told in project.probe.audit):
        yield finding("settings.N002", "unknown", "the checks inside the project's own process did not run")
    for told in project.probe.audit:
        if told.get("id") == RAN:
            continue
        check_id, severity = str(told.get("id", "settings.N002")), str(told.get("severity", "unknown"))
        yield Finding(
            check_id,
            severity if severity in SEVERITIES else "unknown",
            str(told.get("what", "")),
            str(told.get("where", "")),
            str(told.get("hint", "")),
            str(told.get("group", "")) or group_of(check_id),
        )


def in_one_process(found: Finding, project: Project, topology: Topology) -> Finding:
    """The project's own process does not know how many will serve: over ASGI, an in-memory layer gets one."""
    if found.id != "state.N003" or project.interface != "asgi" or topology.scale.get("web", 1) > 1:
        return found
    return replace(found, severity="info", what="the in-memory channel layer reaches one process, so one is started")


def apply_silence(found: list[Finding], silenced: Iterable[Silence]) -> Iterator[Finding]:
    """Mark what the user has decided about; an id that nobody knows is a mistake and is told."""
    reasons = {s.id: s.reason or "no reason given" for s in silenced}
    for one in found:
        yield replace(one, silenced=reasons[one.id]) if one.id in reasons else one
    seen = {one.id for one in found}
    for check_id in reasons:
        if check_id not in CATALOG and check_id not in seen and not of_another_app(check_id):
            close = difflib.get_close_matches(check_id, CATALOG, 1, 0.7)
            hint = f"did you mean {close[0]}?" if close else "`nuages check` prints the id of each finding"
            yield finding(
                "settings.N001",
                "warning",
                f"{check_id} is silenced, but no check has this id",
                where="nuages.toml",
                hint=hint,
            )


def of_another_app(check_id: str) -> bool:
    """Ids of Django's form belong to Django or a package, and may be silenced before they are seen."""
    return re.fullmatch(r"[\w.]+\.[CDEIW]\d{3}", check_id) is not None


def in_order(found: Iterable[Finding]) -> tuple[Finding, ...]:
    return tuple(sorted(dict.fromkeys(found), key=lambda f: (SEVERITIES.index(f.severity), f.id, f.where, f.what)))
