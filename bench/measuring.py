"""One run of a command, ratios of paired runs, and the table of them."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Run:
    """`cpu` is user and system time of the command and of all it waited for."""

    wall: float
    cpu: float


@dataclass(frozen=True)
class Figure:
    """Pairs of (ours, the peer's) from the same round. `better` says on which side of the bound it should be."""

    name: str
    unit: str
    pairs: tuple[tuple[float, float], ...]
    bound: float = 0  # 0: told, not judged
    better: str = "less"

    @property
    def ratios(self) -> list[float]:
        return [ours / theirs for ours, theirs in self.pairs if theirs]

    @property
    def met(self) -> bool:
        middle = statistics.median(self.ratios)
        return not self.bound or (middle <= self.bound if self.better == "less" else middle >= self.bound)

    def line(self) -> str:
        ours, theirs = (statistics.median(side) for side in zip(*self.pairs, strict=True))
        low, middle, high = min(self.ratios), statistics.median(self.ratios), max(self.ratios)
        sign = "<=" if self.better == "less" else ">="
        bound = f"{sign} {self.bound:.2f} {'met' if self.met else 'NOT MET'}" if self.bound else "-"
        cells = (
            f"{self.name} ({self.unit})",
            f"{ours:.4g}",
            f"{theirs:.4g}",
            f"**{middle:.2f}**",
            f"{low:.2f} - {high:.2f}",
            bound,
        )
        return f"| {' | '.join((*cells, str(len(self.pairs))))} |"


HEADER = """| figure | Nuages | by hand | ratio | min - max | bound | rounds |
|---|---|---|---|---|---|---|"""


class FailedError(Exception):
    """A command of the benchmark ended badly; its output is the message."""


def timed(argv: Sequence[str], *, cwd: Path, env: Mapping[str, str] | None = None) -> Run:
    """Run to its end, output swallowed unless it fails."""
    started = time.perf_counter()
    process = subprocess.Popen(argv, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    with process:
        assert process.stdout
        output = process.stdout.read()
        _pid, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - started
    if process.returncode:
        raise FailedError(f"{' '.join(argv)}\n{output.decode(errors='replace')[-3000:]}")
    return Run(wall, usage.ru_utime + usage.ru_stime)
