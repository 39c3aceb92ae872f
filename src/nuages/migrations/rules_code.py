"""Code and SQL of the project's own: judged by what can be read of it, never run to find out."""

from __future__ import annotations

import re

from nuages.migrations.model import Operation
from nuages.migrations.verdicts import Database, Facts, op, safe, worst


def run_python(facts: Facts, database: Database) -> Operation:
    if facts.get("noop"):
        return safe("does nothing forwards")
    why = f"runs {facts.get('function', 'code')}"
    if facts.get("deletes"):
        return op("data", f"{why}, which deletes rows", takes_back=False)
    return op("data", f"{why}; what the live release writes meanwhile is not covered by it")


STATEMENTS = (
    ("destroy", r"\b(drop\s+(table|column|schema|database)|truncate|delete\s+from)\b", "drops or deletes"),
    (
        "safe",
        r"^\s*(create\s+(unique\s+)?index\s+concurrently|drop\s+index|create\s+extension|comment\s+on|analyze|create\s+(or\s+replace\s+)?(function|view))\b",
        "does not hold the live release up",
    ),
    ("data", r"^\s*(update|insert)\b", "changes rows"),
)


def run_sql(facts: Facts, database: Database) -> Operation:
    if facts.get("noop"):
        return safe("does nothing forwards")
    found = [_statement(one) for text in facts.get("statements", ()) for one in text.split(";") if one.strip()]
    return worst(*found) if found else safe("does nothing forwards")


def _statement(text: str) -> Operation:
    bare = re.sub(r"--[^\n]*|/\*.*?\*/", "", text, flags=re.DOTALL)
    for verdict, pattern, why in STATEMENTS:
        if re.search(pattern, bare, re.IGNORECASE):
            return op(
                verdict,
                f"SQL of the project's own that {why}",
                certain=verdict != "destroy",
                takes_back=verdict != "destroy",
            )
    return (
        op("manual", "SQL of the project's own, which can't be judged", certain=False)
        if bare.strip()
        else safe("does nothing forwards")
    )


def own(facts: Facts) -> Operation:
    return op("manual", f"{facts.get('class', 'an operation')} is the project's own operation", certain=False)
