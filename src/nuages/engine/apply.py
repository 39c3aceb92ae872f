"""Carry a plan out. The only writes; decides nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from nuages.engine.model import Live, Plan, Step
from nuages.errors import CommandError, InterruptedDeployError
from nuages.hosts.transport import Transport


Report = Callable[[dict[str, Any]], None]


def apply(plan: Plan, here: Transport, live: Live, token: str, report: Report) -> None:
    """Run the steps on the host, journalled there. Raises InterruptedDeployError saying what serves now."""
    _batch(plan.switch, here, live, token, report, settling=False)
    _batch(plan.settle, here, live, token, report, settling=True)


def _batch(steps: Iterable[Step], here: Transport, live: Live, token: str, report: Report, *, settling: bool) -> None:
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
            hint=_consequence(error.hint, live, settling=settling),
        ) from error


def _consequence(hint: str, live: Live, *, settling: bool) -> str:
    if settling:
        now = "the new release is live; this step is tried again by the next `nuages up`"
    elif live.serving:
        now = f"what was done has been taken back; v{live.number} still serves"
    else:
        now = "what was done has been taken back; nothing is running"
    return f"{hint}; {now}" if hint else now
