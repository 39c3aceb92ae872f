"""Commands as people write them in a Procfile or under [[cron]], made into processes. Shared by all supervisors."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from nuages.components.contract import Placement, ProcessSpec
from nuages.secret import Secret


def background(placement: Placement) -> tuple[ProcessSpec, ...]:
    """The workers and schedulers of the project. A scheduler runs once at most."""
    return tuple(_background(placement, p) for p in placement.manifest["processes"] if p["kind"] in ("worker", "scheduler"))


def _background(placement: Placement, process: Mapping[str, Any]) -> ProcessSpec:
    name, kind = process["name"], process["kind"]
    wanted = placement.scale.get(name, placement.topology.scale.get(name, 1))
    wanted = 0 if kind == "scheduler" and is_quiet(placement) else wanted
    return ProcessSpec(
        name=name,
        kind=kind,
        argv=shell(process["command"]),
        env=environment(placement),
        cwd=placement.policy["manage_dir"],
        log=str(placement.layout.logs / f"{name}.log"),
        instances=min(1, wanted) if kind == "scheduler" else wanted,
        drain=placement.topology.drain,
        start_timeout=placement.topology.health.within,
    )


def is_quiet(placement: Placement) -> bool:
    """Nothing runs by the clock: `nuages quiet`."""
    return "NUAGES_QUIET" in placement.env


def environment(placement: Placement) -> dict[str, str | Secret]:
    venv = placement.manifest["environment"]
    return {**placement.env, "PATH": f"{venv}/bin:/usr/local/bin:/usr/bin:/bin", "VIRTUAL_ENV": str(venv)}


def shell(line: str) -> tuple[str, ...]:
    """A Procfile line is a shell's line; `exec` lets signals reach the program itself."""
    return ("/bin/sh", "-c", _exec(line))


def _exec(line: str) -> str:
    """`exec` before a simple command; a line that uses the shell's own syntax is left to the shell."""
    try:
        words = shlex.split(line)
    except ValueError:
        return line
    simple = (
        words and not any(c in line for c in ";|&<>`\n") and "=" not in words[0] and words[0] not in ("cd", "exec", "export", ".")
    )
    return f"exec {line}" if simple else line
