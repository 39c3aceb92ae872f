"""The policy: what one release's runtime lays over the project's settings, and where that release keeps its files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nuages.project.model import Files, Probe
from nuages.settings.model import Change
from nuages.topology.model import Topology


VERSION = 1
PHASES = ("serve", "build", "probe")
MESSAGES, LEAST_MESSAGES = 10, 2  # of errors, an hour


def make_policy(
    topology: Topology,
    files: Files,
    *,
    project_dir: Path,
    static_root: Path,
    static_serve: Path,
    media_root: Path,
    data_dir: Path,
    phase: str = "serve",
    number: int = 0,
    build: str = "",
    port: int = 0,
    interface: str = "wsgi",
    workers: int = 1,
    threads: int = 8,
    generated_names: Mapping[str, Iterable[str]] | None = None,
) -> dict[str, Any]:
    """policy.json, which holds no secret.

    `project_dir` is the root of the source as it runs, `static_root` where collectstatic writes, `static_serve` the
    union of the last releases' static files, `data_dir` the home of SQLite files. `port` 0 takes the declared one.
    """
    if phase not in PHASES:
        raise ValueError(phase)
    return {
        "version": VERSION,
        "site": topology.name,
        "number": number,
        "build": build,
        "phase": phase,
        "settings_module": topology.settings or files.settings,
        "project": str(project_dir),
        "manage_dir": str((project_dir / files.manage).parent),
        "domains": list(topology.domains),
        "port": port or topology.port,
        "bind": topology.bind,
        "tls": tls_of(topology),
        "trusted_proxies": list(topology.trusted_proxies),
        "wsgi": topology.wsgi or files.wsgi,
        "asgi": topology.asgi or files.asgi,
        "interface": topology.interface or interface,
        "static_root": str(static_root),
        "static_serve": str(static_serve),
        "media_root": str(media_root),
        "data_dir": str(data_dir),
        "overrides": dict(topology.overrides),
        "leave": list(topology.leave),
        "log_format": topology.log_format,
        "health": {"path": topology.health.path, "expect": topology.health.expect},
        "errors": {
            "mail": list(topology.errors.mail),
            "webhook": topology.errors.webhook,
            "most": max(LEAST_MESSAGES, MESSAGES // max(1, len(topology.hosts))),  # of each host: they don't speak to each other
        },
        "drain": topology.drain,
        "workers": workers,
        "threads": threads,
        "generated_names": {name: list(names) for name, names in (generated_names or {}).items()},
    }


def tls_of(topology: Topology) -> dict[str, Any]:
    """What settings follow from; where a certificate comes from is no business of theirs."""
    tls = topology.tls
    return {
        "enabled": tls.enabled,
        "hsts_seconds": tls.hsts_seconds,
        "include_subdomains": tls.include_subdomains,
        "preload": tls.preload,
    }


def changes_of(probe: Probe) -> tuple[Change, ...]:
    """What the overlay changed in the project's settings; notes (nothing changed, but worth telling) are left out."""
    return tuple(_change(row) for row in probe.changes if not row.get("note"))


def notes_of(probe: Probe) -> tuple[Change, ...]:
    """What the overlay left alone, and why."""
    return tuple(_change(row) for row in probe.changes if row.get("note"))


def _change(row: Mapping[str, Any]) -> Change:
    return Change(setting=str(row["setting"]), old=str(row["old"]), new=str(row["new"]), reason=str(row["reason"]))


@dataclass(frozen=True)
class Row:
    """One line of `settings show` and `settings diff`: `mark` is + (new), ~ (changed), = (told, not changed)."""

    mark: str
    setting: str
    old: str
    new: str
    reason: str


def rows(probe: Probe) -> tuple[Row, ...]:
    """`settings diff`, by name."""
    changed = [Row("~" if c.old else "+", c.setting, c.old, c.new, c.reason) for c in changes_of(probe)]
    told = [Row("=", c.setting, c.old, c.new, c.reason) for c in notes_of(probe)]
    return tuple(sorted(changed + told, key=lambda row: (row.setting, row.mark)))


def render(rows: Iterable[Row], width: int = 100) -> str:
    """Plain text: the setting with its reason, then old and new, from a little before where they begin to differ."""
    lines: list[str] = []
    for row in rows:
        lines.append(f"{row.mark} {row.setting}  ({row.reason})")
        if row.mark == "=":
            continue
        skip = _common(row.old, row.new, width)
        if row.old:
            lines.append(_cut(f"    - {'...' if skip else ''}{row.old[skip:]}", width))
        lines.append(_cut(f"    + {'...' if skip else ''}{row.new[skip:]}", width))
    return "\n".join(lines)


def _common(old: str, new: str, width: int) -> int:
    """How much of two long values to leave out because it is the same, at a comma or bracket."""
    if max(len(old), len(new)) <= width:
        return 0
    same = next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
    return max(old.rfind(", ", 0, same), old.rfind("{", 0, same), 0)


def _cut(line: str, width: int) -> str:
    return line if len(line) <= width else line[: width - 3] + "..."
