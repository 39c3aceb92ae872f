"""What the page shows, shared by the threads that find it out and those that send it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


LINES = 2000  # of the logs, kept for whoever opens the page next


@dataclass(frozen=True)
class Seen:
    """What a reader has: the counts of facts, job and lines; None where lines are not wanted."""

    facts: int = -1
    job: int = -1
    lines: int | None = None


class Board:
    """Facts, the job and log lines, each with a count that grows with every change, so that a reader can wait for news."""

    def __init__(self) -> None:
        self.news = threading.Condition()
        self.facts: Mapping[str, Any] = {}
        self.facts_seen = 0
        self.job: Mapping[str, Any] | None = None
        self.job_seen = 0
        self.lines: deque[Mapping[str, Any]] = deque(maxlen=LINES)
        self.lines_seen = 0
        self.closed = False

    def show_facts(self, facts: Mapping[str, Any]) -> None:
        with self.news:
            self.facts = facts
            self.facts_seen += 1
            self.news.notify_all()

    def show_job(self, job: Mapping[str, Any] | None) -> None:
        with self.news:
            self.job = job
            self.job_seen += 1
            self.news.notify_all()

    def show_line(self, line: Mapping[str, Any]) -> None:
        with self.news:
            self.lines.append(line)
            self.lines_seen += 1
            self.news.notify_all()

    def close(self) -> None:
        with self.news:
            self.closed = True
            self.news.notify_all()

    def news_since(self, seen: Seen, timeout: float) -> tuple[Seen, list[tuple[str, Any]]]:
        """Wait for something that a reader has not seen: its new counts, and what to send. Nothing, where nothing came in time."""
        with self.news:
            self.news.wait_for(lambda: self.closed or self._now(seen) != seen, timeout)
            said: list[tuple[str, Any]] = []
            if seen.facts != self.facts_seen and self.facts:
                said.append(("facts", self.facts))
            if seen.job != self.job_seen:
                said.append(("job", self.job))
            if seen.lines is not None and seen.lines != self.lines_seen:
                fresh = min(self.lines_seen - seen.lines, len(self.lines))
                said.append(("lines", list(self.lines)[-fresh:]))
            return self._now(seen), said

    def _now(self, seen: Seen) -> Seen:
        return Seen(self.facts_seen, self.job_seen, None if seen.lines is None else self.lines_seen)
