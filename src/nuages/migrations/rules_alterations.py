"""Columns that change: type, null, unique, check, relation, index."""

from __future__ import annotations

import re

from nuages.migrations.model import Operation
from nuages.migrations.rules_tables import index
from nuages.migrations.verdicts import Database, Facts, lock, op, safe, worst


def alter_field(facts: Facts, database: Database) -> Operation:
    if not facts.get("altered", True):
        return safe("nothing changes in the database")
    old, new = facts["old"], facts["field"]
    if old.get("m2m") or new.get("m2m"):
        return op("manual", "a many-to-many field changes its table", certain=False, needed=True)
    found = [safe("nothing that the live release would notice")]
    found.extend(changed for rule in ALTERATIONS if (changed := rule(facts, old, new, database)))
    return worst(*found)


def _alter_column_name(facts: Facts, old: Facts, new: Facts, database: Database) -> Operation | None:
    if old["column"] == new["column"]:
        return None
    return op(
        "destroy",
        f"the column {old['column']} becomes {new['column']}: neither release can run with the other's name",
        hint=f'keep the column: db_column="{old["column"]}"',
        needed=True,
        certain=False,
    )


def _alter_null(facts: Facts, old: Facts, new: Facts, database: Database) -> Operation | None:
    if old["null"] == new["null"]:
        return None
    if new["null"]:
        return safe("the column may be empty from now on", needed=True)
    if new.get("db_default"):
        return lock(facts, database, "every row is checked for NULL under a lock")
    return op(
        "break",
        f"the live release may still write NULL into {new['column']}",
        hint="it can wait until after the switch; rows with NULL make it fail",
    )


def _alter_type(facts: Facts, old: Facts, new: Facts, database: Database) -> Operation | None:
    one, other = str(old["db_type"] or ""), str(new["db_type"] or "")
    if one == other and (old.get("collation") or "") == (new.get("collation") or ""):
        return None
    change = type_change(one, other)
    if change == "wider":
        return safe(f"{one} becomes {other}: what was written still fits", needed=True)
    if change == "rewrite":
        return lock(
            facts,
            database,
            f"{one} becomes {other}: the table is rewritten under a lock",
            hint="add a column, copy in batches, switch",
            needed=True,
        )
    if change == "shorter":
        return op(
            "break",
            f"{one} becomes {other}: the live release may write longer values",
            hint="it can wait until after the switch",
        )
    return op(
        "break",
        f"{one} becomes {other}: the live release was written for {one}",
        hint="add a new column, copy, remove the old one in a later deploy",
        certain=False,
        needed=True,
    )


def _alter_unique(facts: Facts, old: Facts, new: Facts, database: Database) -> Operation | None:
    if new["unique"] and not old["unique"]:
        return op(
            "break",
            f"{new['column']} must be unique from now on, which the live release does not look after",
            hint="it can wait until after the switch; duplicates make it fail",
        )
    return None


def _alter_check(facts: Facts, old: Facts, new: Facts, database: Database) -> Operation | None:
    if new.get("check") and new.get("check") != old.get("check"):
        return op(
            "break",
            f"{new['column']} gets a check that the live release does not know",
            hint="it can wait until after the switch",
        )
    return None


def _alter_relation(facts: Facts, old: Facts, new: Facts, database: Database) -> Operation | None:
    if new.get("foreign_key") and (not old.get("foreign_key") or old.get("references") != new.get("references")):
        if old.get("references") and old["references"] != new["references"]:
            return op(
                "break",
                f"{new['column']} refers to {new['references']} instead of {old['references']}",
                hint="add a new field",
                needed=True,
            )
        return lock(
            facts,
            database,
            "a foreign key locks both tables against writes while it is checked",
            hint="ADD CONSTRAINT ... NOT VALID and VALIDATE CONSTRAINT in RunSQL",
        )
    return None


def _alter_index(facts: Facts, old: Facts, new: Facts, database: Database) -> Operation | None:
    if new.get("index") and not old.get("index") and not new.get("unique"):
        return index(facts, database)
    return None


ALTERATIONS = (
    _alter_column_name,
    _alter_null,
    _alter_type,
    _alter_unique,
    _alter_check,
    _alter_relation,
    _alter_index,
)


def type_change(old: str, new: str) -> str:
    """wider (nobody notices), rewrite (fits, but every row is written again), shorter, or other."""
    one, other = old.lower(), new.lower()
    if one == other:
        return "rewrite"  # the collation changes
    text = re.compile(r"(?:varchar|character varying|char)\((\d+)\)|text|longtext|varchar|citext")
    first, second = text.fullmatch(one), text.fullmatch(other)
    if first and second:
        room, wanted = (int(m[1]) if m[1] else 1 << 31 for m in (first, second))
        return "wider" if wanted >= room else "shorter"
    whole = ("smallint", "integer", "int", "bigint")
    names = [re.sub(r"\s+(unsigned|auto_increment|autoincrement).*", "", kind).replace("serial", "int") for kind in (one, other)]
    if all(name in whole for name in names):
        return "rewrite" if whole.index(names[1]) >= whole.index(names[0]) else "shorter"
    numbers = [re.fullmatch(r"(?:numeric|decimal)\((\d+), ?(\d+)\)", kind) for kind in (one, other)]
    if numbers[0] and numbers[1]:
        (digits, places), (more, finer) = ([int(n) for n in m.groups()] for m in numbers if m)
        if digits - places <= more - finer and places <= finer:
            return "wider" if places == finer else "rewrite"
        return "shorter"
    return "other"
