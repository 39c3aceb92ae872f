"""Snapshots by pipe: on a server the site's user can neither write nor read where they are kept."""

import io
import os
import sqlite3
from types import SimpleNamespace

import pytest
import shipped_runtime  # noqa: F401 - makes nuages_runtime importable
from nuages_runtime import dump


def sqlite(path):
    return SimpleNamespace(vendor="sqlite", settings_dict={"NAME": str(path)})


def rows(path, *more):
    with sqlite3.connect(path) as connection:
        connection.execute("create table if not exists orders (name text)")
        connection.executemany("insert into orders values (?)", [(name,) for name in more])
        found = [row[0] for row in connection.execute("select name from orders")]
    connection.close()
    return found


def sent(connection, tmp_path):
    with (tmp_path / "out").open("wb") as out:
        dump.send(connection, out.fileno())
    return (tmp_path / "out").read_bytes()


def test_a_sqlite_database_goes_through_a_pipe_and_comes_back(tmp_path):
    database = tmp_path / "data" / "db.sqlite3"
    database.parent.mkdir()
    rows(database, "one")
    copy = sent(sqlite(database), tmp_path)
    rows(database, "two")

    dump.receive(sqlite(database), io.BytesIO(copy))

    assert rows(database) == ["one"]
    assert os.listdir(database.parent) == ["db.sqlite3"], "nothing is left beside it"


def test_a_database_that_is_not_there_yet_is_an_empty_snapshot(tmp_path):
    assert sent(sqlite(tmp_path / "db.sqlite3"), tmp_path) == b""


def test_a_client_that_fails_says_why_and_not_on_the_snapshots_way(tmp_path, monkeypatch):
    program = tmp_path / "pg_dump"
    program.write_text("#!/bin/sh\necho half; echo 'no such database' >&2; exit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    connection = SimpleNamespace(vendor="postgresql", settings_dict={"NAME": "shop"})
    with pytest.raises(ValueError, match="no such database"):
        sent(connection, tmp_path)


@pytest.mark.parametrize(
    ("version", "option"),
    [
        ("pg_dump (PostgreSQL) 17.6 (Debian 17.6-0+deb13u1)", "--compress=zstd:1"),
        ("pg_dump (PostgreSQL) 15.14", "--compress=1"),
        ("", "--compress=1"),
    ],
)
def test_a_client_is_asked_for_the_cheapest_compression_that_it_knows(tmp_path, monkeypatch, version, option):
    program = tmp_path / "pg_dump"
    program.write_text(f"#!/bin/sh\necho '{version}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert dump.compression() == option


def test_other_databases_are_refused_with_what_to_do():
    with pytest.raises(ValueError, match="take one yourself"):
        dump.send(SimpleNamespace(vendor="mysql", settings_dict={}), 1)
