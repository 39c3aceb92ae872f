"""The order over hosts: all are prepared before any switches. With one host it is the plan as it stands. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from nuages.engine.model import Plan, Step
from nuages.topology.model import Topology


PHASES = ("prepare", "migrate", "start", "switch", "confirm", "keep")


def roll_out(plans: Sequence[Plan], topology: Topology) -> Plan:
    """One plan for all hosts: phase by phase, each phase on all hosts at the same time. The first plan leads."""
    lead = plans[0]
    if len(plans) == 1:
        return lead
    every = [step for plan in plans for step in plan.switch]
    behind = [plan for plan in plans if not plan.empty]
    return replace(
        lead,
        ready=tuple(step for plan in plans for step in plan.ready),
        switch=tuple(step for phase in PHASES for step in every if step.phase == phase),
        confirm=tuple(step for plan in plans for step in plan.confirm),
        settle=tuple(step for plan in plans for step in plan.settle),
        reason=lead.reason if not behind else "",
        first=any(plan.first for plan in plans),
        drifted=any(plan.drifted for plan in plans),
        notes=tuple(dict.fromkeys(note for plan in plans for note in plan.notes)),
    )


def batches(steps: Sequence[Step]) -> list[list[Step]]:
    """What may run at the same time: with one host everything, in its order; with several one phase after the other."""
    if len({step.host for step in steps}) == 1:
        return [list(steps)]
    return [found for phase in (*PHASES, "") if (found := [step for step in steps if step.phase == phase])]
