"""The embedded supervisor: two small stdlib-only programs of ours, no root and no service of the system needed.

docs/decisions/0002 weighs it against circus, honcho and supervisord.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from nuages.components.contract import Description, Machine, Placement, ProcessSpec
from nuages.components.supervisor import Supervisor, version_of
from nuages.components.supervisor.commands import background
from nuages.hosts.command import Command
from nuages.release.layout import Layout


KEEPER = Path(__file__).parent.parent.parent / "keeper"


def keeper_version() -> str:
    return version_of(KEEPER)


class Embedded(Supervisor):
    name: ClassVar[str] = "embedded"
    programs: ClassVar[Path | None] = KEEPER
    overlaps: ClassVar[bool] = True

    def processes(self, placement: Placement) -> tuple[ProcessSpec, ...]:
        return background(placement)

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

    def describe(self, placement: Placement) -> tuple[Description, ...]:
        return ()
