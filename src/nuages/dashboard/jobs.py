"""What a button starts: the same deploy as the command line's, in a thread, one at a time. It shows its plan and waits for a word."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from typing import Any

from nuages.dashboard.board import Board
from nuages.engine.model import Plan
from nuages.engine.request import Console
from nuages.errors import NuagesError, UsageError
from nuages.migrations.explain import explain
from nuages.settings.model import Finding


PATIENCE = 300.0  # seconds that a plan waits for its answer; it holds the site's lock meanwhile
OUTPUT = 400  # lines kept
Work = Callable[[Console], None]


class Job:
    """One change under way: a Console for the engine, and a JSON object for the page, told anew with each event."""

    def __init__(self, what: str, board: Board) -> None:
        self.id, self.board = secrets.token_hex(4), board
        self.word = threading.Event()
        self.agreement, self.closed, self.declined = False, False, ""
        self.guard = threading.Lock()
        self.facts: dict[str, Any] = {
            "id": self.id, "what": what, "state": "preparing", "began": time.time(), "ended": 0.0, "line": "", "steps": [],
            "notes": [], "judgements": [], "output": [], "reason": "", "protected": "", "until": 0.0, "error": None,
        }  # fmt: skip

    def tell(self, **changes: Any) -> None:
        with self.guard:
            self.facts |= changes
            self.board.show_job({**self.facts, "steps": [dict(s) for s in self.facts["steps"]]})

    # --- Console -----------------------------------------------------------------------------------------

    def progress(self, line: str) -> None:
        self.tell(line=line.strip())

    def note(self, line: str) -> None:
        self.tell(notes=[*self.facts["notes"], line])

    def findings(self, findings: tuple[Finding, ...]) -> None:
        named = dict.fromkeys(f.id for f in findings if f.severity == "warning" and not f.silenced)
        if named:
            self.note(f"check warns of {', '.join(named)}: nuages check tells more")

    def plan(self, plan: Plan) -> None:
        steps = [{**step.as_dict(), "text": str(step), "state": "", "seconds": 0.0} for step in plan.steps]
        told = [explain(each) for each in plan.judgements if each.pending]
        notes = [*self.facts["notes"], *plan.notes]
        protected = str(plan.facts.get("protected") or "")
        self.tell(steps=steps, judgements=told, notes=notes, reason=plan.reason, protected=protected, line="")

    def agreed(self, plan: Plan) -> bool:
        """Asked under the site's lock, so that what was shown is what is done."""
        if plan.empty or self.declined:
            return plan.empty
        self.word.clear()
        self.tell(state="asking", until=time.time() + PATIENCE)
        in_time = self.closed or self.word.wait(PATIENCE)
        if in_time and self.agreement:
            self.tell(state="applying", until=0.0)
            return True
        self.declined = (
            "nothing was changed" if in_time else f"nobody answered within {PATIENCE / 60:.0f} minutes; nothing was changed"
        )
        return False

    def step(self, event: dict[str, Any]) -> None:
        if event["event"] == "output":
            self.tell(output=[*self.facts["output"][1 - OUTPUT :], event["line"]])
            return
        states = {"begin": "running", "done": "done"}
        with self.guard:
            waiting = (s for s in self.facts["steps"] if s["text"] == event.get("text") and s["state"] in ("", "running"))
            step = next(waiting, None)
            if step is None:
                step = {"action": "", "host": "", "what": event.get("text", ""), "why": "", "text": event.get("text", "")}
                self.facts["steps"].append(step)
            step |= {"state": states.get(event["event"], "failed"), "seconds": event.get("seconds", 0.0)}
        self.tell()

    # --- the page ----------------------------------------------------------------------------------------

    def answer(self, *, agree: bool, name: str = "") -> None:
        """Raises UsageError when nothing is asked, or when the name of a protected site was not typed."""
        if self.facts["state"] != "asking":
            raise UsageError("nothing waits for an answer")
        if agree and self.facts["protected"] and name != self.facts["protected"]:
            raise UsageError(f"{self.facts['protected']} is protected: type its name to go on")
        self.agreement = agree
        self.word.set()

    def withdraw(self) -> None:
        """Nobody will answer any more: what asks, or comes to ask, is declined."""
        self.closed = True
        self.word.set()

    @property
    def over(self) -> bool:
        return bool(self.facts["ended"])


class Jobs:
    """At most one of this page; the site's lock keeps off everybody else."""

    def __init__(self, board: Board, look: Callable[[], None]) -> None:
        self.board, self.look = board, look
        self.guard = threading.Lock()
        self.current: Job | None = None
        self.thread: threading.Thread | None = None

    def start(self, what: str, work: Work) -> Job:
        with self.guard:
            if self.current and not self.current.over:
                raise UsageError(f"{self.current.facts['what']} is under way on this page")
            job = self.current = Job(what, self.board)
            self.thread = threading.Thread(target=self._carry_out, args=(job, work), name=what)
            self.thread.start()
        return job

    def answer(self, id_: str, *, agree: bool, name: str = "") -> None:
        if not self.current or self.current.id != id_:
            raise UsageError("that is over; look at what is under way now")
        self.current.answer(agree=agree, name=name)

    @property
    def under_way(self) -> str:
        """The title of what is being prepared or applied; "" where nothing is, or where it only asks."""
        job = self.current
        return str(job.facts["what"]) if job and not job.over and job.facts["state"] != "asking" else ""

    def stop_asking(self) -> None:
        """The program ends: what waits for a word is declined; what is being applied comes to its end."""
        if self.current:
            self.current.withdraw()
        if self.thread:
            self.thread.join()

    def _carry_out(self, job: Job, work: Work) -> None:
        job.tell()
        state, error = "done", None
        try:
            work(job)
        except NuagesError as failed:
            state = "failed"
            error = _error(failed.what, failed.where, failed.hint, failed.detail)
        except Exception as failed:  # noqa: BLE001 - a thread's traceback would be seen by nobody
            state = "failed"
            error = _error(f"{type(failed).__name__}: {failed}")
        if state == "done" and not job.facts["steps"]:
            state = "nothing"
        if job.declined:
            state, error = "declined", _error(job.declined)
        job.tell(state=state, error=error, ended=time.time(), until=0.0, line="")
        self.look()


def _error(what: str, where: str = "", hint: str = "", detail: str = "") -> dict[str, str]:
    return {"what": what, "where": where, "hint": hint, "detail": detail}
