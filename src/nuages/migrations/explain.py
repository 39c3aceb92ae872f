"""The judgement in words: a line for each migration that is more than safe, why, and what to change."""

from __future__ import annotations

from nuages.migrations.model import Judgement, Pending


PHASES = {
    "before": "before the switch",
    "after": "after the switch",
    "window": "in a maintenance window",
    "stop": "stops the deploy",
}
HELP = 'nuages.toml, [migrations]: policy = "maintenance" runs them behind the maintenance page, "any" runs them as they are'


def explain(judgement: Judgement) -> str:
    if judgement.failed:
        named = [p for p in judgement.pending if judgement.failed.startswith(f"{p.label}:")]
        return "\n".join(explain_one(named[0])) if named else judgement.failed
    lines = []
    quiet = [p for p in judgement.pending if p.phase == "before" and p.verdict == "safe"]
    if quiet:
        lines.append(f"{count(len(quiet))} safe beside the live release, before the switch")
    for pending in judgement.pending:
        if pending not in quiet:
            lines.extend(explain_one(pending))
    lines += [
        f"conflict  {one}: two migrations end the same app; manage.py makemigrations --merge" for one in judgement.conflicts
    ]
    lines += [f"note  the models of {app} changed without a migration" for app in judgement.missing]
    if judgement.rehearsed:
        lines.append(judgement.rehearsed if judgement.rehearsed.startswith("not ") else f"rehearsed {judgement.rehearsed}")
    if judgement.snapshot and not judgement.stops:
        lines.append("a snapshot of the database is taken first")
    if judgement.stops:
        lines.append(HELP)
    elif judgement.pending and judgement.rollback:
        lines.append(judgement.rollback)
    return "\n".join(lines) if lines else "no migrations to run"


def explain_one(pending: Pending) -> list[str]:
    lines = [f"{pending.label}  {PHASES[pending.phase]}", f"    {pending.why}"]
    if pending.hint:
        lines.append(f"    {pending.hint}")
    return lines


def count(number: int) -> str:
    return "1 migration is" if number == 1 else f"{number} migrations are"
