"""What one operation of a pending migration does to the live release. Pure: facts of runtime/operations.py in, verdict out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from nuages.migrations.model import Operation
from nuages.migrations.rules_alterations import alter_field
from nuages.migrations.rules_code import own, run_python, run_sql
from nuages.migrations.rules_fields import add_field, remove_field, rename_field
from nuages.migrations.rules_tables import (
    constraint,
    create_model,
    delete_model,
    index,
    not_valid,
    rename_table,
    together,
)
from nuages.migrations.verdicts import Database, Facts, op, safe


def classify(facts: Facts, database: Database) -> Operation:
    """The verdict on one operation, with why. Dialects differ in what locks; what breaks old code is the same everywhere."""
    verdict = _classify(facts, database)
    return replace(verdict, describe=str(facts.get("describe", "")), sql=tuple(facts.get("sql", ())))


def _classify(facts: Facts, database: Database) -> Operation:
    if facts.get("skipped"):
        return safe("a router keeps it from this database")
    if facts.get("own"):
        return own(facts)
    kind = facts.get("kind", "custom")
    if facts.get("unmanaged"):
        return safe("Django does not manage this table")
    if facts.get("created") and kind not in ("RunPython", "RunSQL"):
        return safe("the table is new in this plan")
    judge = RULES.get(kind)
    return judge(facts, database) if judge else op("manual", f"nothing is known about the operation {kind}", certain=False)


Rule = Callable[[Facts, Database], Operation]
RULES: dict[str, Rule] = {
    "CreateModel": create_model,
    "DeleteModel": delete_model,
    "RenameModel": rename_table,
    "AlterModelTable": rename_table,
    "AddField": add_field,
    "RemoveField": remove_field,
    "AlterField": alter_field,
    "RenameField": rename_field,
    "AddIndex": index,
    "AddConstraint": constraint,
    "AddConstraintNotValid": not_valid,
    "AlterUniqueTogether": together,
    "AlterIndexTogether": together,
    "RunPython": run_python,
    "RunSQL": run_sql,
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
