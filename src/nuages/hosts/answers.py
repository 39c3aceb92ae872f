"""What an agent says, read line by line: events after a mark, so that noise of login shells is skipped."""

from __future__ import annotations

import base64
import json
import threading
import zlib
from collections.abc import Callable, Mapping
from typing import Any

from nuages.errors import CommandError, PersonNeededError


LONGEST = 3600  # seconds for what an agent does by itself: reads, copies, removes
LARGE = 16 << 10  # bytes of a request from which compressing it pays
Listener = Callable[[dict[str, Any]], None]


class Answers:
    """`heard`: has the agent said anything? Events but the answer go to `listen`. `words` are those of what starts the agent:
    "" (go on), "root PYTHON", "no python", "need" (its sources) ... `ready` is set with the first of them, `settled` when the
    agent says anything or asks for its sources; `over` when it
    has answered; all also with the end of its output."""

    def __init__(self, listen: Listener) -> None:
        self.listen = listen
        self.answer: dict[str, Any] | None = None
        self.failure: dict[str, Any] = {}
        self.words: list[str] = []
        self.heard = False
        self.python = ""  # its version, where it is too old to run the agent
        self.ready, self.settled, self.over = threading.Event(), threading.Event(), threading.Event()

    def take(self, line: str) -> None:
        if not line:
            for event in (self.ready, self.settled, self.over):
                event.set()
        if not line.startswith("\x1e"):
            return
        if not line.startswith("\x1e{"):
            self.words.append(line[1:].strip())
            self.ready.set()
            if self.needs_sources:
                self.settled.set()
            return
        self.heard = True
        self.settled.set()
        event = json.loads(line[1:])
        if event["event"] == "python":
            self.python = event["version"]
            return
        if event["event"] == "answer":
            self.answer = event["answer"]
            self.over.set()
            return
        if event["event"] == "failed":
            self.failure = event
        self.listen(event)

    @property
    def needs_sources(self) -> bool:
        return "need" in self.words

    def raise_failure(self, name: str) -> None:
        """Raises CommandError when a step failed or a question could not be answered, PersonNeededError where a gate refused it."""
        if self.failure:
            told = self.failure
            kind = PersonNeededError if told.get("person") else CommandError
            raise kind(told["what"], where=name, detail=told.get("detail", ""), hint=told.get("hint", ""))


def as_line(request: Mapping[str, Any]) -> bytes:
    """A request as the agent takes it."""
    text = json.dumps(request).encode()
    if len(text) > LARGE:
        text = b"z" + base64.b64encode(zlib.compress(text, 1))
    return text + b"\n"


def time_limit(request: Mapping[str, Any]) -> float:
    """As long as its commands may take, going and being taken back: the agent ends each of them itself."""
    ops = [op for step in request.get("write", ()) for op in (*step.get("ops", ()), *step.get("undo", ()))]
    questions = request.get("read", {}).values()
    return LONGEST + sum(float(op.get("timeout", 0)) for op in (*ops, *questions))
