"""What a deploy key may not do is known before the first write: the gate that it reaches is asked about the whole plan."""

from __future__ import annotations

from collections.abc import Sequence

from nuages.engine.hooks import is_hook
from nuages.engine.model import Plan, Seat
from nuages.errors import PersonNeededError


SHOWN = 6


def refuse_what_keys_may_not(plan: Plan, seats: Sequence[Seat]) -> None:
    """Raises PersonNeededError naming the steps that a person with root has to carry out; nothing was changed then."""
    found: list[str] = []
    for seat in (seat for seat in seats if seat.transport.gate):
        steps = [step for step in plan.steps if step.host == seat.live.host.name and not is_hook(step)]  # those run here
        sent = [{"text": str(step), "ops": list(step.ops), "undo": list(step.undo)} for step in steps]
        refused = seat.transport.read({"it": {"kind": "permits", "steps": sent}})["it"]
        found += [f"{text}  ({why})" for text, why in refused]
    if found:
        more = [f"and {len(found) - SHOWN} more"] if len(found) > SHOWN else []
        raise PersonNeededError(
            "this deploy changes the server, and a deploy key may not; nothing was changed",
            detail="\n".join([*found[:SHOWN], *more]),
            hint="a person with root on the server has to: nuages deploy",
        )
