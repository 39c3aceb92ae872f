"""What a check is: a small function from a context to findings, registered under the ids that it may report."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from nuages.hosts.transport import Transport
from nuages.project.model import Project
from nuages.settings.checks.catalog import CATALOG, group_of
from nuages.settings.checks.source import Source
from nuages.settings.model import Finding
from nuages.topology.model import Topology


SEVERITIES = ("error", "warning", "info", "unknown")


@dataclass(frozen=True)
class Context:
    """All that a check may look at. `live` is the commit that serves now, `pending` the unapplied migrations."""

    project: Project
    topology: Topology
    root: Path
    here: Transport
    source: Source
    today: date
    live: str | None = None
    pending: tuple[str, ...] = ()


CheckFunction = Callable[[Context], Iterator[Finding]]
REGISTRY: list[tuple[tuple[str, ...], CheckFunction]] = []


def check(*ids: str) -> Callable[[CheckFunction], CheckFunction]:
    """Register a check under the ids that it may report."""
    unknown = [i for i in ids if i not in CATALOG]
    if unknown:
        raise LookupError(f"not in the catalog: {', '.join(unknown)}")

    def register(function: CheckFunction) -> CheckFunction:
        REGISTRY.append((ids, function))
        return function

    return register


def finding(check_id: str, severity: str, what: str, *, where: str = "", hint: str = "") -> Finding:
    return Finding(check_id, severity, what, where, hint, group_of(check_id))
