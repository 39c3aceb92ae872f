"""Carry a plan out. The only writes; decides nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from nuages.engine.hooks import is_hook
from nuages.engine.model import Live, Plan, Seat, Step
from nuages.engine.permits import refuse_what_keys_may_not
from nuages.engine.plan_database import WHY
from nuages.engine.rollout import batches
from nuages.errors import CommandError, InterruptedDeployError, NuagesError, UnconfirmedError
from nuages.hosts import together


Report = Callable[[dict[str, Any]], None]
CONFIRM = "confirm"


def no_hooks(_step: Step) -> None:
    """Nobody has any."""


@dataclass(frozen=True)
class Run:
    """One plan being carried out."""

    seats: Mapping[str, Seat]
    token: str
    report: Report
    hook: Callable[[Step], None] = no_hooks
    one_at_a_time: threading.Lock = field(default_factory=threading.Lock)

    def tell(self, event: dict[str, Any]) -> None:
        with self.one_at_a_time:
            self.report(event)


def apply(plan: Plan, seats: Sequence[Seat], token: str, report: Report, hook: Callable[[Step], None] = no_hooks) -> None:
    """Run the steps on their hosts, journalled there. Raises InterruptedDeployError saying what serves now.

    `hook` carries out a step that is a hook of the user's, on this machine.
    """
    run = Run({seat.live.host.name: seat for seat in seats}, token, report, hook)
    refuse_what_keys_may_not(plan, seats)
    _make_ready(plan.ready, run)
    if plan.first:
        return
    _switch(plan.switch, run)
    _confirm(plan.confirm, run)
    for step in filter(is_hook, plan.settle):
        _carry_out_hook(step, run)
    for batch in batches([step for step in plan.settle if not is_hook(step)]):
        _on_each_host(batch, run, "settle")


def _confirm(steps: Sequence[Step], run: Run) -> None:
    try:
        _on_each_host(steps, run, "confirm")
    except NuagesError as error:
        raise UnconfirmedError(error.what, where="the live site", hint=error.hint) from error


def _carry_out_hook(step: Step, run: Run) -> None:
    """Journalled once it is done, as every step is."""
    run.hook(step)
    seat = run.seats[step.host]
    done = {"text": str(step), "deploy": run.token, "ops": [], "undo": []}
    seat.transport.write([done], str(seat.live.layout.journal), lambda _event: None)


def _make_ready(steps: Sequence[Step], run: Run) -> None:
    """A gate that asks for a fresh login is passed from here, between what comes before it and what comes after; so is a hook."""
    for first, *rest in _at_gates(steps):
        if is_hook(first):
            _carry_out_hook(first, run)
            _on_each_host(rest, run, "ready")
            continue
        gate = bool(first.ops) and first.ops[0]["op"] == CONFIRM
        if gate:
            run.seats[first.host].transport.confirm()
        _on_each_host([replace(first, ops=first.ops[1:]) if gate else first, *rest], run, "ready")


def _at_gates(steps: Sequence[Step]) -> list[list[Step]]:
    parts: list[list[Step]] = []
    for each in steps:
        gate = is_hook(each) or (bool(each.ops) and each.ops[0]["op"] == CONFIRM)
        if not parts or gate:
            parts.append([])
        parts[-1].append(each)
    return parts


def _switch(steps: Sequence[Step], run: Run) -> None:
    """Where one of several hosts fails, what the others did is taken back too."""
    done: list[Step] = []
    for batch in batches(steps):
        try:
            _on_each_host(batch, run, "switch")
        except NuagesError:
            _take_back([*done, *batch], run)
            raise
        done += batch


def _take_back(steps: Sequence[Step], run: Run) -> None:
    for name, seat in run.seats.items():
        ops = [op for step in reversed(steps) if step.host == name for op in step.undo]
        if ops and len(run.seats) > 1:
            _send([Step("-", name, "take back what was done", ops=tuple(ops))], seat, run)


def _on_each_host(steps: Sequence[Step], run: Run, part: str) -> None:
    hosts = [run.seats[name] for name in dict.fromkeys(s.host for s in steps)]
    by_transport = {id(seat.transport): seat for seat in hosts}

    def work(transport: Any) -> None:
        seat = by_transport[id(transport)]
        _batch([s for s in steps if s.host == seat.live.host.name], seat, run, part)

    if hosts:
        together([seat.transport for seat in hosts], work)


def _batch(steps: Sequence[Step], seat: Seat, run: Run, part: str) -> None:
    failed: dict[str, Any] = {}
    try:
        _send(steps, seat, run, failed)
    except CommandError as error:
        done = list(steps)[: failed.get("step", 1) - 1]
        raise InterruptedDeployError(
            error.what,
            detail=error.detail,
            where=str(failed.get("text", "")).split("  ", 1)[-1],
            hint="; ".join(filter(None, (error.hint, _consequence(done, seat.live, part)))),
        ) from error


def _send(steps: Sequence[Step], seat: Seat, run: Run, failed: dict[str, Any] | None = None) -> None:
    sent = [{"text": str(s), "deploy": run.token, "ops": list(s.ops), "undo": list(s.undo)} for s in steps]

    def listen(event: dict[str, Any]) -> None:
        if event["event"] == "failed" and failed is not None:
            failed.update(event)
        run.tell(event)

    if sent:
        seat.transport.write(sent, str(seat.live.layout.journal), listen)


def _consequence(done: Sequence[Step], live: Live, part: str) -> str:
    again = "nuages deploy" if live.host.address else "nuages up"
    if part == "confirm":
        return ""
    if part == "settle":
        return f"the new release is live; this step is tried again by the next `{again}`"
    if part == "ready":
        serves = f"; v{live.number} still serves" if live.serving else ""
        return f"what was made so far stays, and `{again}` goes on from there{serves}"
    if live.page_holds or any(s.why == WHY["window"] for s in done):
        return "the maintenance page stays: the live release does not fit the migrated tables; mend it and deploy again, or restore the snapshot"
    if live.serving:
        return f"what was done has been taken back; v{live.number} still serves"
    return "what was done has been taken back; nothing is running"
