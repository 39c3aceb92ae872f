"""The embedded supervisor: two small stdlib-only programs of ours, no root and no service of the system needed.

docs/decisions/0002 weighs it against circus, honcho and supervisord.
"""

from __future__ import annotations

import hashlib
import shlex
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

from nuages.components.contract import Machine, Placement, ProcessSpec
from nuages.components.supervisor import Supervisor
from nuages.hosts.command import Command
from nuages.release.layout import Layout


KEEPER = Path(__file__).parent.parent.parent / "keeper"


@cache
def keeper_version() -> str:
    total = hashlib.sha256()
    for path in sorted(KEEPER.glob("*.py")):
        total.update(path.name.encode() + b"\0" + path.read_bytes())
    return total.hexdigest()[:12]


class Embedded(Supervisor):
    name: ClassVar[str] = "embedded"
    programs: ClassVar[Path | None] = KEEPER
    overlaps: ClassVar[bool] = True

    def processes(self, placement: Placement) -> tuple[ProcessSpec, ...]:
        background = [p for p in placement.manifest["processes"] if p["kind"] in ("worker", "scheduler")]
        return tuple(_background(placement, p) for p in background)

    def spec(self, placement: Placement, generation: str, processes: tuple[ProcessSpec, ...]) -> dict[str, Any]:
        return {
            "generation": generation,
            "number": placement.number,
            "build": placement.build.id,
            "processes": [p.as_spec() for p in processes if p.instances],
        }

    def ask(self, layout: Layout, machine: Machine, *words: str, timeout: float = 60) -> Command:
        program = str(layout / "keeper" / "current" / "ctl.py")
        return Command((machine.python, "-I", "-S", program, str(layout.dir), *words), timeout=timeout)


def _background(placement: Placement, process: dict[str, Any]) -> ProcessSpec:
    """A Procfile line is a shell's line; `exec` lets signals reach the program itself."""
    name, kind = process["name"], process["kind"]
    wanted = placement.scale.get(name, placement.topology.scale.get(name, 1))
    bin_dir = f"{placement.manifest['environment']}/bin"
    return ProcessSpec(
        name=name,
        kind=kind,
        argv=("/bin/sh", "-c", _exec(process["command"])),
        env={
            **placement.env,
            "PATH": f"{bin_dir}:/usr/local/bin:/usr/bin:/bin",
            "VIRTUAL_ENV": str(placement.manifest["environment"]),
        },
        cwd=placement.policy["manage_dir"],
        log=str(placement.layout.logs / f"{name}.log"),
        instances=min(1, wanted) if kind == "scheduler" else wanted,
        drain=placement.topology.drain,
        start_timeout=placement.topology.health.within,
    )


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
