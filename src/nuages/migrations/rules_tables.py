"""Tables, their indexes and their constraints."""

from __future__ import annotations

from nuages.migrations.model import Operation
from nuages.migrations.verdicts import CONCURRENTLY, Database, Facts, lock, op, safe


def create_model(facts: Facts, database: Database) -> Operation:
    if facts.get("exists"):
        return op(
            "manual",
            f"the table {facts['table']} is already there",
            hint=f"if it is the same table: manage.py migrate --fake-initial {facts['model'].split('.')[0]}",
            needed=True,
        )
    busy = [
        t
        for t in facts.get("references", ())
        if database.vendor == "postgresql" and not database.is_small(t) and t in database.sizes
    ]
    if busy:
        return safe(f"a new table; its foreign keys briefly lock {', '.join(busy)} against writes", needed=True)
    return safe("a new table, which the live release does not know", needed=True)


def delete_model(facts: Facts, database: Database) -> Operation:
    return op(
        "destroy",
        f"the table {facts.get('table', '')} and its rows are dropped; the live release still uses it",
        hint="it runs after the switch, from a snapshot",
        takes_back=False,
    )


def rename_table(facts: Facts, database: Database) -> Operation:
    if not facts.get("renamed"):
        return safe("only Django's name for it changes")
    return op(
        "destroy",
        f"the table {facts['table']} becomes {facts['new_table']}: neither release can run with the other's name",
        hint=f'keep the table: class Meta: db_table = "{facts["table"]}"',
        needed=True,
        certain=False,
    )


def index(facts: Facts, database: Database) -> Operation:
    return lock(facts, database, "the table is locked against writes while the index is built", hint=CONCURRENTLY)


def constraint(facts: Facts, database: Database) -> Operation:
    name = facts.get("constraint") or "constraint"
    return op(
        "break",
        f"a {name} that the live release does not know: its writes may be refused",
        hint="it can wait until after the switch; rows that violate it make it fail",
    )


def not_valid(facts: Facts, database: Database) -> Operation:
    return op(
        "break",
        "a constraint, unchecked for old rows but in force for new ones, that the live release does not know",
        hint="it can wait until after the switch",
    )


def together(facts: Facts, database: Database) -> Operation:
    if facts.get("kind") == "AlterIndexTogether":
        return index(facts, database) if facts.get("added") else safe("an index goes")
    if not facts.get("added"):
        return safe("a constraint goes")
    groups = "; ".join(", ".join(group) for group in facts["added"])
    return op(
        "break",
        f"({groups}) must be unique from now on, which the live release does not look after",
        hint="it can wait until after the switch; duplicates make it fail",
    )
