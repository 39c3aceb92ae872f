"""What one operation of a pending migration does to the live release. Pure: facts of runtime/operations.py in, verdict out."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from nuages.migrations.model import RANK, Operation


Facts = Mapping[str, Any]


@dataclass(frozen=True)
class Database:
    """What matters about the database: its vendor, and the sizes of the tables that the plan touches."""

    vendor: str
    sizes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    bridges: bool = True  # can keep a column's default while two releases share the table

    # A lock on a table of this size is over before anybody notices (measured: 50,000 rows are indexed in 0.1 s).
    ROWS = 50_000
    BYTES = 100_000_000

    def is_small(self, table: str) -> bool:
        """Tables of unknown size count as large, but for SQLite, whose rebuild copies a file that is at hand."""
        size = self.sizes.get(table)
        if not size:
            return self.vendor == "sqlite"
        rows, volume = size.get("rows"), size.get("bytes")
        if rows is None and volume is None:
            return False
        return (rows is None or rows < self.ROWS) and (volume is None or volume < self.BYTES)

    def tell_size(self, table: str) -> str:
        size = self.sizes.get(table) or {}
        if size.get("rows") is not None:
            return f"about {size['rows']:,} rows"
        return f"{size['bytes'] / 1e6:,.0f} MB" if size.get("bytes") else "size unknown"


def classify(facts: Facts, database: Database) -> Operation:
    """The verdict on one operation, with why. Dialects differ in what locks; what breaks old code is the same everywhere."""
    verdict = _classify(facts, database)
    return replace(verdict, describe=str(facts.get("describe", "")), sql=tuple(facts.get("sql", ())))


def _classify(facts: Facts, database: Database) -> Operation:
    if facts.get("skipped"):
        return safe("a router keeps it from this database")
    if facts.get("own"):
        return _own(facts)
    kind = facts.get("kind", "custom")
    if facts.get("unmanaged"):
        return safe("Django does not manage this table")
    if facts.get("created") and kind not in ("RunPython", "RunSQL"):
        return safe("the table is new in this plan")
    judge = RULES.get(kind)
    return (
        judge(facts, database)
        if judge
        else op("manual", f"nothing is known about the operation {kind}", certain=False)
    )


def op(verdict: str, why: str, **more: Any) -> Operation:
    return Operation("", verdict, why, **more)


def safe(why: str, **more: Any) -> Operation:
    return op("safe", why, **more)


def lock(facts: Facts, database: Database, what: str, hint: str = "", **more: Any) -> Operation:
    """A lock is only worth a stop on a table that is large."""
    table = facts.get("table", "")
    if database.is_small(table):
        return safe(f"{what}, for a moment ({database.tell_size(table)})", **more)
    return op("lock", f"{what} ({table}: {database.tell_size(table)})", hint=hint, **more)


def worst(*found: Operation) -> Operation:
    return max(found, key=lambda one: RANK[one.verdict])


# --- models -----------------------------------------------------------------------------------------------------


def _create_model(facts: Facts, database: Database) -> Operation:
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
        return safe(
            f"a new table; its foreign keys briefly lock {', '.join(busy)} against writes", needed=True
        )
    return safe("a new table, which the live release does not know", needed=True)


def _delete_model(facts: Facts, database: Database) -> Operation:
    return op(
        "destroy",
        f"the table {facts.get('table', '')} and its rows are dropped; the live release still uses it",
        hint="it runs after the switch, from a snapshot",
        takes_back=False,
    )


def _rename_table(facts: Facts, database: Database) -> Operation:
    if not facts.get("renamed"):
        return safe("only Django's name for it changes")
    return op(
        "destroy",
        f"the table {facts['table']} becomes {facts['new_table']}: neither release can run with the other's name",
        hint=f'keep the table: class Meta: db_table = "{facts["table"]}"',
        needed=True,
        certain=False,
    )


# --- fields -----------------------------------------------------------------------------------------------------


def _add_field(facts: Facts, database: Database) -> Operation:
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


SPLIT_UNIQUE = (
    "add it null=True first, fill it in a data migration, make it unique and not null in a later deploy"
)
CONCURRENTLY = "build it with AddIndexConcurrently in a migration of its own with atomic = False"


def _add_column(facts: Facts, new: Facts, database: Database) -> Operation:
    if new.get("db_default"):
        if new.get("volatile"):
            return lock(
                facts,
                database,
                "a computed default rewrites the table",
                hint="add it null=True, fill it in batches",
                needed=True,
            )
        return safe("the database gives the default", needed=True)
    if new.get("null"):
        return safe("a column that may be empty", needed=True)
    column = new.get("column", "")
    if new.get("default") == "constant" and database.bridges:
        why = f"the live release does not know {column} and must not have to give it: its default stays in the database until the old release is gone"
        return op("bridge", why, hint="db_default= (Django 5.0+) makes it permanent", needed=True)
    if new.get("default") == "moment" and database.bridges:
        return op(
            "bridge",
            f"rows that the live release writes meanwhile get the time of the migration as {column}",
            hint="db_default=Now() (Django 5.0+) gives them their own",
            needed=True,
        )
    if new.get("default") == "none":
        why = f"{column} must be given and has no default: the live release's inserts fail, and so does the migration where there are rows"
        return op("break", why, hint="null=True, a default or db_default", needed=True)
    return op(
        "break",
        f"{column} must be given and its default is another one for each row: the live release's inserts fail",
        hint=SPLIT_UNIQUE,
        needed=True,
    )


def _remove_field(facts: Facts, database: Database) -> Operation:
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


def _rename_field(facts: Facts, database: Database) -> Operation:
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


def _alter_field(facts: Facts, database: Database) -> Operation:
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
    if new.get("foreign_key") and (
        not old.get("foreign_key") or old.get("references") != new.get("references")
    ):
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
        return _index(facts, database)
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
    names = [
        re.sub(r"\s+(unsigned|auto_increment|autoincrement).*", "", kind).replace("serial", "int")
        for kind in (one, other)
    ]
    if all(name in whole for name in names):
        return "rewrite" if whole.index(names[1]) >= whole.index(names[0]) else "shorter"
    numbers = [re.fullmatch(r"(?:numeric|decimal)\((\d+), ?(\d+)\)", kind) for kind in (one, other)]
    if numbers[0] and numbers[1]:
        (digits, places), (more, finer) = ([int(n) for n in m.groups()] for m in numbers if m)
        if digits - places <= more - finer and places <= finer:
            return "wider" if places == finer else "rewrite"
        return "shorter"
    return "other"


# --- indexes and constraints ------------------------------------------------------------------------------------


def _index(facts: Facts, database: Database) -> Operation:
    return lock(
        facts, database, "the table is locked against writes while the index is built", hint=CONCURRENTLY
    )


def _constraint(facts: Facts, database: Database) -> Operation:
    name = facts.get("constraint") or "constraint"
    return op(
        "break",
        f"a {name} that the live release does not know: its writes may be refused",
        hint="it can wait until after the switch; rows that violate it make it fail",
    )


def _not_valid(facts: Facts, database: Database) -> Operation:
    return op(
        "break",
        "a constraint, unchecked for old rows but in force for new ones, that the live release does not know",
        hint="it can wait until after the switch",
    )


def _together(facts: Facts, database: Database) -> Operation:
    if facts.get("kind") == "AlterIndexTogether":
        return _index(facts, database) if facts.get("added") else safe("an index goes")
    if not facts.get("added"):
        return safe("a constraint goes")
    groups = "; ".join(", ".join(group) for group in facts["added"])
    return op(
        "break",
        f"({groups}) must be unique from now on, which the live release does not look after",
        hint="it can wait until after the switch; duplicates make it fail",
    )


# --- code and SQL -----------------------------------------------------------------------------------------------


def _run_python(facts: Facts, database: Database) -> Operation:
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


def _run_sql(facts: Facts, database: Database) -> Operation:
    if facts.get("noop"):
        return safe("does nothing forwards")
    found = [
        _statement(one) for text in facts.get("statements", ()) for one in text.split(";") if one.strip()
    ]
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


def _own(facts: Facts) -> Operation:
    return op("manual", f"{facts.get('class', 'an operation')} is the project's own operation", certain=False)


Rule = Callable[[Facts, Database], Operation]
RULES: dict[str, Rule] = {
    "CreateModel": _create_model,
    "DeleteModel": _delete_model,
    "RenameModel": _rename_table,
    "AlterModelTable": _rename_table,
    "AddField": _add_field,
    "RemoveField": _remove_field,
    "AlterField": _alter_field,
    "RenameField": _rename_field,
    "AddIndex": _index,
    "AddConstraint": _constraint,
    "AddConstraintNotValid": _not_valid,
    "AlterUniqueTogether": _together,
    "AlterIndexTogether": _together,
    "RunPython": _run_python,
    "RunSQL": _run_sql,
    "AlterOrderWithRespectTo": lambda facts, database: op(
        "bridge",
        "the live release does not give _order: its default stays until that release is gone",
        needed=True,
    ),
}
QUIET = {
    "StateOnly": "only Django's idea of the schema changes",
    "AlterModelOptions": "only Django's idea of the schema changes",
    "AlterModelManagers": "only Django's idea of the schema changes",
    "AlterModelTableComment": "a comment",
    "RemoveConstraint": "a constraint goes",
    "AlterConstraint": "only Django's idea of the schema changes",
    "RemoveIndex": "an index goes",
    "RenameIndex": "an index gets another name",
    "AddIndexConcurrently": "the index is built without a lock",
    "RemoveIndexConcurrently": "an index goes without a lock",
    "ValidateConstraint": "old rows are checked without a lock on writes",
    "CreateExtension": "an extension of the database",
    "CreateCollation": "a collation",
    "RemoveCollation": "a collation goes",
}


def _quiet(why: str) -> Rule:
    return lambda facts, database: safe(why)


RULES.update({kind: _quiet(why) for kind, why in QUIET.items()})
RULES.update(
    {
        kind: _quiet("an extension of the database")
        for kind in (
            "HStoreExtension",
            "TrigramExtension",
            "UnaccentExtension",
            "CITextExtension",
            "BtreeGinExtension",
            "BtreeGistExtension",
            "CryptoExtension",
            "BloomExtension",
        )
    }
)
