"""Each operation's verdict, as a table of promises: facts of runtime/operations.py in, verdict out."""

from __future__ import annotations

import pytest

from nuages.migrations.classify import classify
from nuages.migrations.rules_alterations import type_change
from nuages.migrations.verdicts import Database


SMALL = {"shop_book": {"rows": 10, "bytes": 8192}}
LARGE = {"shop_book": {"rows": 5_000_000, "bytes": 2_000_000_000}}
COLUMN = {
    "name": "pages",
    "column": "pages",
    "db_type": "integer",
    "null": False,
    "unique": False,
    "primary_key": False,
    "index": False,
    "default": "none",
    "db_default": False,
    "foreign_key": False,
}


def column(**changes):
    return {**COLUMN, **changes}


def verdict(kind, vendor="postgresql", sizes=SMALL, **facts):
    facts = {
        "kind": kind,
        "model": "shop.Book",
        "table": "shop_book",
        "describe": kind,
        "exists": True,
        **facts,
    }
    return classify(facts, Database(vendor, sizes)).verdict


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        (column(null=True), "safe"),
        (column(db_default=True), "safe"),
        (column(default="constant"), "bridge"),
        (column(default="moment"), "bridge"),
        (column(default="changing"), "break"),
        (column(default="none"), "break"),
        (column(default="constant", unique=True), "break"),
        ({"m2m": True, "auto": True, "through": "shop_book_tags"}, "safe"),
    ],
)
@pytest.mark.parametrize("vendor", ["postgresql", "sqlite", "mysql"])
def test_an_added_column_is_safe_where_the_old_release_need_not_give_it(vendor, field, expected):
    assert verdict("AddField", vendor, field=field) == expected


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (column(db_type="varchar(20)"), column(db_type="varchar(40)"), "safe"),
        (column(db_type="varchar(20)"), column(db_type="text"), "safe"),
        (column(db_type="varchar(40)"), column(db_type="varchar(20)"), "break"),
        (column(db_type="text"), column(db_type="varchar(20)"), "break"),
        (column(null=False), column(null=True), "safe"),
        (column(null=True), column(null=False), "break"),
        (column(), column(unique=True), "break"),
        (column(unique=True), column(), "safe"),
        (column(), column(check='"pages" >= 0'), "break"),
        (column(), column(db_type="text"), "break"),
        (column(), column(db_type="bigint"), "safe"),
        (column(), column(column="leaves"), "destroy"),
    ],
)
def test_an_altered_column_breaks_where_the_old_release_may_write_what_is_refused(old, new, expected):
    assert verdict("AlterField", old=old, field=new) == expected


@pytest.mark.parametrize(
    ("kind", "facts", "expected"),
    [
        ("CreateModel", {"exists": False}, "safe"),
        ("DeleteModel", {}, "destroy"),
        ("RemoveField", {"field": column()}, "destroy"),
        ("RenameField", {"renamed": True, "old": column(), "field": column(column="leaves")}, "destroy"),
        ("RenameField", {"renamed": False}, "safe"),
        ("RenameModel", {"renamed": True, "new_table": "shop_tome"}, "destroy"),
        ("AlterModelTable", {"renamed": False}, "safe"),
        ("AddConstraint", {"constraint": "CheckConstraint"}, "break"),
        ("RemoveConstraint", {}, "safe"),
        ("AlterUniqueTogether", {"added": [["title", "isbn"]]}, "break"),
        ("AlterUniqueTogether", {"added": []}, "safe"),
        ("AddIndexConcurrently", {}, "safe"),
        ("AlterField", {"altered": False}, "safe"),
        ("AlterModelOptions", {}, "safe"),
        ("StateOnly", {}, "safe"),
        ("RunPython", {"noop": True}, "safe"),
        ("RunPython", {"function": "shop.fill"}, "data"),
        ("RunSQL", {"statements": ["UPDATE shop_book SET pages = 1"]}, "data"),
        ("RunSQL", {"statements": ["-- a note\nDROP TABLE shop_old"]}, "destroy"),
        ("RunSQL", {"statements": ["CREATE INDEX CONCURRENTLY i ON shop_book (pages)"]}, "safe"),
        ("RunSQL", {"statements": ["ALTER TABLE shop_book SET (fillfactor = 70)"]}, "manual"),
        ("custom", {"own": True, "class": "shop.ops.Partition"}, "manual"),
        ("SomethingNew", {}, "manual"),
    ],
)
def test_each_operation_has_its_class(kind, facts, expected):
    assert verdict(kind, **facts) == expected


@pytest.mark.parametrize(
    ("vendor", "sizes", "expected"),
    [
        ("postgresql", SMALL, "safe"),
        ("postgresql", LARGE, "lock"),
        ("postgresql", {}, "lock"),
        ("sqlite", {}, "safe"),
        ("sqlite", LARGE, "lock"),
    ],
)
def test_a_lock_only_matters_on_a_table_that_is_large_or_of_unknown_size(vendor, sizes, expected):
    assert verdict("AddIndex", vendor, sizes) == expected


@pytest.mark.parametrize("kind", ["AddField", "AlterField", "AddConstraint", "AddIndex", "RemoveField", "DeleteModel"])
def test_anything_goes_on_a_table_that_is_new_in_the_plan(kind):
    assert verdict(kind, created=True, sizes=LARGE, field=column(), old=column(null=True)) == "safe"


def test_what_a_router_keeps_away_is_safe():
    assert verdict("DeleteModel", skipped=True) == "safe"


def test_a_removed_column_that_must_be_given_is_made_nullable_first():
    found = classify(
        {"kind": "RemoveField", "model": "shop.Book", "table": "shop_book", "field": column()},
        Database("sqlite"),
    )
    assert found.relax == "shop.Book.pages"
    assert not classify(
        {"kind": "RemoveField", "model": "shop.Book", "table": "shop_book", "field": column(null=True)},
        Database("sqlite"),
    ).relax


@pytest.mark.parametrize(
    ("old", "new", "change"),
    [
        ("integer", "bigint", "rewrite"),
        ("bigint", "integer", "shorter"),
        ("numeric(5, 2)", "numeric(9, 2)", "wider"),
        ("numeric(5, 2)", "numeric(5, 1)", "shorter"),
        ("character varying(5)", "text", "wider"),
        ("integer unsigned", "bigint unsigned", "rewrite"),
        ("integer", "uuid", "other"),
    ],
)
def test_types_change_for_the_wider_the_shorter_or_otherwise(old, new, change):
    assert type_change(old, new) == change
