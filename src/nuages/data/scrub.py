"""A scrubbed dump of a site's database, made on its host: only that leaves it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nuages.data.hand import Hand
from nuages.data.scrub_rules import Plan, make_scrub
from nuages.data.scrub_sql import statements
from nuages.errors import UsageError
from nuages.hosts.transport import Progress
from nuages.topology.scrub import Scrub


SHOWN = 12


@dataclass(frozen=True)
class Intent:
    """What a scrub would do to this database, before it is done. `told` are the facts of the database."""

    told: Mapping[str, Any]
    plan: Plan

    @property
    def rows(self) -> int:
        return sum(self.told["rows"].values())

    def work(self) -> dict[str, Any]:
        made = statements(self.plan, self.told["vendor"])
        return {"emptied": self.plan.emptied, "statements": made, "columns": len(self.plan.columns)}


def look(hand: Hand) -> dict[str, Any]:
    """What the models of the live release say of the database."""
    return hand.ask("columns", program="scrub.py")


AS_IT_IS: dict[str, Any] = {"emptied": [], "statements": [], "columns": 0}


def scrubbed_dump(hand: Hand, intent: Intent | None, to: str, progress: Progress, *, engine: str = "") -> dict[str, Any]:
    """Its manifest. `engine`: of the dump, where it is to be another than the site's: "sqlite". The dump lies at `to` on the host; nothing else of the copy is left, whatever happens."""
    work = intent.work() if intent else AS_IT_IS
    wish = {"to": to, **({"engine": engine} if engine else {})}
    with hand.place.host.scratch({"work.json": json.dumps(work)}) as folder:
        return dict(hand.ask("scrub", progress, program="scrub.py", more=f"{folder}/work.json", **wish)["manifest"])


def sweep(hand: Hand) -> None:
    """What a run that was killed with its host left."""
    hand.ask("sweep", program="scrub.py")


def intend(told: Mapping[str, Any], scrub: Scrub) -> Intent:
    """Raises UsageError where a rule does not fit, or where nuages.toml is strict and something is undeclared."""
    plan = make_scrub(told, scrub)
    if scrub.strict and plan.suspects:
        lines = [f'"{name}" = "{kind}"' for name, kind in plan.suspects]
        hint = "declare each in [scrub] of nuages.toml, with a rule or keep; these would fit"
        what = f"{len(lines)} columns look personal and are not declared; nothing was copied"
        raise UsageError(what, where="scrub.strict", detail="\n".join(lines), hint=hint)
    return Intent(told, plan)


def summary(intent: Intent) -> list[str]:
    """What is done with what, and what is not: read before it happens."""
    plan, told = intent.plan, intent.told
    models = {model["table"]: model["label"] for model in told["models"]}
    lines = []
    for table in dict.fromkeys(c.table for c in plan.columns):
        rules = ", ".join(f"{c.name}: {c.rule}" for c in plan.columns if c.table == table)
        lines.append(f"{models.get(table, table)}  {rules}")
    emptied = [models.get(table, table) for table in plan.emptied if table not in plan.unknown]
    if emptied:
        lines.append(f"without rows: {', '.join(emptied)}")
    if plan.unknown:
        lines.append(f'without rows, for no model names them ("table:NAME" = "keep" brings them): {", ".join(plan.unknown)}')
    lines += [f"{models.get(c.table, c.table)}  rows older than {c.rule.argument} by {c.name} go" for c in plan.aged]
    return lines


def warnings(intent: Intent) -> list[str]:
    """Columns that look personal and leave as they are, as the lines that would declare them."""
    plan = intent.plan
    lines = [f'"{name}" = "{kind}"' for name, kind in plan.suspects[:SHOWN]]
    if len(plan.suspects) > SHOWN:
        lines.append(f"... and {len(plan.suspects) - SHOWN} more")
    return lines
