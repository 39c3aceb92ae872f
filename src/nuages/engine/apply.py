"""Carry a plan out. The only writes; decides nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nuages.engine.model import Live, Plan, Step
from nuages.engine.plan_database import WHY
from nuages.errors import CommandError, InterruptedDeployError
from nuages.hosts.transport import Transport


Report = Callable[[dict[str, Any]], None]


def apply(plan: Plan, here: Transport, live: Live, token: str, report: Report) -> None:
    """Run the steps on the host, journalled there. Raises InterruptedDeployError saying what serves now."""
    _batch(plan.switch, here, live, token, report, settling=False)
    _batch(plan.settle, here, live, token, report, settling=True)


def _batch(steps: tuple[Step, ...], here: Transport, live: Live, token: str, report: Report, *, settling: bool) -> None:
    sent = [{"text": str(s), "deploy": token, "ops": list(s.ops), "undo": list(s.undo)} for s in steps]
    if not sent:
        return
    failed: dict[str, Any] = {}

    def listen(event: dict[str, Any]) -> None:
        if event["event"] == "failed":
            failed.update(event)
        report(event)

    try:
        here.write(sent, str(live.layout.journal), listen)
    except CommandError as error:
        raise InterruptedDeployError(
            error.what,
            detail=error.detail,
            where=str(failed.get("text", "")).split("  ", 1)[-1],
            hint="; ".join(filter(None, (error.hint, _consequence(steps[: failed.get("step", 1) - 1], live, settling=settling)))),
        ) from error


def _consequence(done: tuple[Step, ...], live: Live, *, settling: bool) -> str:
    if settling:
        return "the new release is live; this step is tried again by the next `nuages up`"
    if live.page_holds or any(s.why == WHY["window"] for s in done):
        return "the maintenance page stays: the live release does not fit the migrated tables; mend it and deploy again, or restore the snapshot"
    if live.serving:
        return f"what was done has been taken back; v{live.number} still serves"
    return "what was done has been taken back; nothing is running"
