"""Procfiles, read tolerantly: what can't be read is told with its line, and the rest still counts."""

from __future__ import annotations

import re
from dataclasses import dataclass

from nuages.project.model import Process


LINE = re.compile(r"^\s*([A-Za-z0-9][A-Za-z0-9_.-]*)\s*:\s*(\S.*?)\s*$")
SCHEDULER = re.compile(r"^(?!.*\bworker\b).*\bbeat\b|rqscheduler|\bclock\b|\bcron\b|apscheduler|crontab|periodiq\b")
SCHEDULER_NAMES = {
    "beat",
    "clock",
    "cron",
    "scheduler",
    "celerybeat",
    "celery-beat",
    "celery_beat",
    "periodic",
}
DEVELOPMENT = re.compile(r"^(npm|npx|yarn|pnpm|vite|webpack|tailwindcss)\b|\btailwind start\b|\brunserver\b.*\breload\b")


@dataclass(frozen=True)
class Procfile:
    processes: tuple[Process, ...]
    errors: tuple[str, ...]  # "Procfile:3: ..."


def parse_procfile(text: str, where: str = "Procfile") -> Procfile:
    processes: dict[str, Process] = {}
    errors: list[str] = []
    for number, line in joined_lines(text.removeprefix("\ufeff")):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        found = LINE.match(line)
        if not found or "\0" in line:
            errors.append(f"{where}:{number}: expected `name: command`, found {line.strip()[:60]!r}")
            continue
        name, command = found.groups()
        if name in processes:
            errors.append(f"{where}:{number}: {name} is there twice; the last one counts")
        processes[name] = Process(name=name, kind=kind_of(name, command), command=command, source=where)
    return Procfile(tuple(processes.values()), tuple(errors))


def joined_lines(text: str) -> list[tuple[int, str]]:
    """Numbered lines, with those that end in a backslash joined to the next."""
    found: list[tuple[int, str]] = []
    held, start = "", 0
    for number, raw in enumerate(re.split(r"\r\n|\r|\n", text), 1):
        start = start or number
        if raw.rstrip().endswith("\\") and not raw.lstrip().startswith("#"):
            held += raw.rstrip()[:-1] + " "
            continue
        found.append((start, held + raw))
        held, start = "", 0
    if held.strip():
        found.append((start, held))
    return found


def kind_of(name: str, command: str) -> str:
    low = name.lower()
    if low in ("release", "web"):
        return low
    if low in SCHEDULER_NAMES or SCHEDULER.search(command):
        return "scheduler"
    return "worker"
