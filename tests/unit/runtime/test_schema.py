"""Schemas as data, read from a real SQLite file, and when a column is of another type than a model expects."""

from __future__ import annotations

import sqlite3
from types import SimpleNamespace

import pytest

from nuages.runtime.schema import length_of, read_schema, same_kind


class Connection:
    """As much of Django's connection as reading a schema takes."""

    vendor = "sqlite"
    ops = SimpleNamespace(quote_name=lambda name: '"%s"' % name)  # noqa: UP031

    def __init__(self, sql):
        self.real = sqlite3.connect(":memory:")
        self.real.executescript(sql)

    def cursor(self):
        cursor = self.real.cursor()
        outer = SimpleNamespace(execute=lambda sql: cursor.execute(sql.replace("%%", "%")), fetchall=cursor.fetchall)

        class Managed:
            def __enter__(self):
                return outer

            def __exit__(self, *exception):
                cursor.close()

        return Managed()


@pytest.fixture
def tables():
    connection = Connection("""
        CREATE TABLE book (id integer NOT NULL PRIMARY KEY AUTOINCREMENT, title varchar(20) NOT NULL,
                           pages integer DEFAULT 3 NOT NULL, note text, isbn text UNIQUE);
        CREATE UNIQUE INDEX both ON book (title, pages);
        CREATE UNIQUE INDEX partly ON book (note) WHERE note <> '';
    """)
    yield read_schema(connection)
    connection.real.close()


def test_columns_tell_what_an_insert_must_give(tables):
    columns = tables["book"]["columns"]
    must = {name for name, c in columns.items() if not c["null"] and not c["default"]}
    assert must == {"title"}
    assert columns["title"]["length"] == 20


def test_only_what_is_unique_for_every_row_counts(tables):
    assert tables["book"]["unique"] == [["isbn"], ["pages", "title"]]


@pytest.mark.parametrize(
    ("wanted", "actual", "same"),
    [
        ("integer", "bigint", True),
        ("varchar(20)", "text", True),
        ("character varying(20)", "varchar(20)", True),
        ("timestamp with time zone", "datetime", True),
        ("date", "timestamp with time zone", False),
        ("integer", "text", False),
        ("jsonb", "text", False),
        ("geometry(point,4326)", "text", True),
        ("integer[]", "integer[]", True),
        ("integer[]", "integer", False),
        ("uuid", "char(32)", False),
        ("", "text", True),
    ],
)
def test_only_types_that_surely_differ_are_a_break(wanted, actual, same):
    assert same_kind(wanted, actual) is same


def test_a_length_is_read_where_there_is_one():
    assert [length_of(kind) for kind in ("varchar(40)", "character varying(8)", "text", "numeric(5,2)")] == [
        40,
        8,
        None,
        None,
    ]
