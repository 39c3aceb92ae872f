"""Lines of logs: when each was written, how grave it is, and which of them somebody wants. Text and JSON."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from nuages.errors import UsageError


STAMP = re.compile(r"""^(?:\[|\{"time":\s*")?(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)""")
GRAVITY = {"debug": 10, "info": 20, "notice": 20, "warn": 30, "warning": 30, "error": 40, "crit": 50, "critical": 50, "fatal": 50}
GRAVITY |= {"alert": 50, "emerg": 50, "exception": 40}
LEVELS = ("debug", "info", "warning", "error", "critical")
# Ours, Gunicorn's [1234] [INFO], Celery's INFO/MainProcess, nginx's [error]; in capitals, or in brackets.
WORD = re.compile(r"\b(DEBUG|INFO|WARN|WARNING|ERROR|CRITICAL|FATAL)\b|\[(debug|info|notice|warn|error|crit|alert|emerg)\]")
LOOKED_AT = 120  # characters in which a level may stand; behind them it is somebody's message
PERIODS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True)
class Line:
    """`at` as "2026-11-20 12:00:00" (UTC), `gravity` as Python's numbers. A line without its own, as in a traceback, has
    those of the line before it."""

    at: str
    gravity: int
    text: str


class Reading:
    """One log, line after line."""

    def __init__(self) -> None:
        self.at, self.gravity = "", GRAVITY["info"]

    def next(self, text: str) -> Line:
        stamp = stamp_of(text)
        if stamp:
            self.at, self.gravity = stamp, gravity_of(text)
        return Line(self.at, max(self.gravity, gravity_of(text, 0)), text)


def understood(lines: Iterable[str]) -> Iterator[Line]:
    reading = Reading()
    for text in lines:
        yield reading.next(text)


def stamp_of(text: str) -> str:
    match = STAMP.match(text)
    return f"{match[1]} {match[2]}" if match else ""


def gravity_of(text: str, otherwise: int = GRAVITY["info"]) -> int:
    if text.startswith("{"):
        try:
            level = json.loads(text).get("level")
        except (ValueError, AttributeError):
            level = None
        return GRAVITY.get(str(level).lower(), otherwise)
    match = WORD.search(text[:LOOKED_AT])
    return GRAVITY[(match[1] or match[2]).lower()] if match else otherwise


@dataclass(frozen=True)
class Wanted:
    """Which lines somebody wants; everything of itself wants all."""

    oldest: str = ""
    pattern: re.Pattern[str] | None = None
    gravity: int = 0

    @property
    def all(self) -> bool:
        return self == EVERYTHING

    def __call__(self, line: Line) -> bool:
        fits = not self.oldest or not line.at or line.at >= self.oldest
        return fits and line.gravity >= self.gravity and (self.pattern is None or bool(self.pattern.search(line.text)))


EVERYTHING = Wanted()


def wanted(since: str | None, grep: str | None, level: str | None) -> Wanted:
    """Raises UsageError."""
    try:
        pattern = re.compile(grep) if grep else None
    except re.error as error:
        raise UsageError(f"{grep!r} is not a regular expression: {error}") from error
    return Wanted(_oldest(since) if since else "", pattern, GRAVITY[level.lower()] if level else 0)


def _oldest(since: str) -> str:
    at = stamp_of(since.strip()) or stamp_of(f"{since.strip()} 00:00:00") or stamp_of(f"{since.strip()}:00")
    if at:
        return at
    match = re.fullmatch(r"(\d+)\s*(s|m|min|h|d)", since.strip())
    if not match:
        raise UsageError(f"{since!r} is not a time", hint='--since 10m, 2h, 1d, 2026-11-20 or "2026-11-20 12:00" (UTC)')
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(time.time() - int(match[1]) * PERIODS[match[2]]))
