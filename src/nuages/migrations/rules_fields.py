"""Columns that come, go and get another name."""

from __future__ import annotations

from nuages.migrations.model import Operation
from nuages.migrations.verdicts import CONCURRENTLY, Database, Facts, lock, op, safe, worst


def add_field(facts: Facts, database: Database) -> Operation:
    new = facts["field"]
    if new.get("m2m"):
        return safe("a new table between two others", needed=True)
    if new.get("generated"):
        return worst(
            safe("a computed column"),
            lock(facts, database, "a stored computed column rewrites the table", needed=True),
        )
    found = [_add_column(facts, new, database)]
    if new.get("unique") and not new.get("null"):
        found.append(
            op(
                "break",
                "a unique column that must be given: the live release's inserts would collide or fail",
                hint=SPLIT_UNIQUE,
                needed=True,
            )
        )
    if new.get("foreign_key") and not database.is_small(facts["table"]) and database.vendor != "sqlite":
        found.append(
            lock(
                facts,
                database,
                "a foreign key locks both tables against writes while it is checked",
                hint="add it with db_constraint=False, then as NOT VALID and VALIDATE CONSTRAINT in RunSQL",
                needed=True,
            )
        )
    elif new.get("index") and database.vendor == "postgresql":
        found.append(
            lock(
                facts,
                database,
                "its index locks the table against writes while it is built",
                hint=CONCURRENTLY,
                needed=True,
            )
        )
    return worst(*found)


SPLIT_UNIQUE = "add it null=True first, fill it in a data migration, make it unique and not null in a later deploy"


def _add_column(facts: Facts, new: Facts, database: Database) -> Operation:
    if new.get("volatile"):
        return lock(
            facts,
            database,
            "a computed default rewrites the table",
            hint="add it null=True, fill it in batches",
            needed=True,
        )
    if new.get("db_default"):
        return safe("the database gives the default", needed=True)
    if new.get("null"):
        return safe("a column that may be empty", needed=True)
    return _must_be_given(new["column"], new.get("default") if database.bridges else "changing")


def _must_be_given(column: str, default: str | None) -> Operation:
    if default == "constant":
        why = f"the live release does not know {column}: its default stays in the database until that release is gone"
        return op("bridge", why, hint="db_default= (Django 5.0+) makes it permanent", needed=True)
    if default == "moment":
        why = f"rows that the live release writes meanwhile get the time of the migration as {column}"
        return op("bridge", why, hint="db_default=Now() (Django 5.0+) gives them their own", needed=True)
    if default == "changing":
        why = f"{column} must be given and its default is another one for each row: the live release's inserts fail"
        return op("break", why, hint=SPLIT_UNIQUE, needed=True)
    why = f"{column} must be given and has no default: the live release's inserts fail, and so does the migration where there are rows"
    return op("break", why, hint="null=True, a default or db_default", needed=True)


def remove_field(facts: Facts, database: Database) -> Operation:
    old = facts["field"]
    if old.get("m2m"):
        if not old.get("auto"):
            return safe("the table between stays")
        why = f"the table {old.get('through')} and its rows are dropped; the live release still uses it"
        return op("destroy", why, hint="it runs after the switch, from a snapshot", takes_back=False)
    why = f"the column {old['column']} and what is in it are dropped; the live release still uses it"
    if old.get("null") or old.get("db_default") or old.get("generated"):
        return op("destroy", why, hint="it runs after the switch, from a snapshot", takes_back=False)
    if old.get("primary_key"):
        return op("destroy", f"the primary key {old['column']} is dropped", needed=True, takes_back=False)
    return op(
        "destroy",
        f"{why}; the new release does not give it, so it is made nullable before the switch",
        hint="it runs after the switch, from a snapshot",
        relax=f"{facts['model']}.{old['name']}",
        relax_column=old["column"],
        takes_back=False,
    )


def rename_field(facts: Facts, database: Database) -> Operation:
    if not facts.get("renamed"):
        return safe("only Django's name for it changes")
    old, new = facts["old"]["column"], facts["field"]["column"]
    return op(
        "destroy",
        f"the column {old} becomes {new}: neither release can run with the other's name",
        hint=f'keep the column: db_column="{old}"',
        needed=True,
        certain=False,
    )
