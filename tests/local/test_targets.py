"""A pulled database in one of the user's own: filled whole or not at all, and what it replaces is kept."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import tarfile

import pytest
from postgres import postgresql

from nuages.data.targets import elsewhere, fill
from nuages.errors import DataError, UsageError


pytestmark = pytest.mark.local


def quiet(_line):
    pass


def archive(folder, member, content):
    (folder / member).write_bytes(content)
    with tarfile.open(folder / "it.tar", "w") as tar:
        tar.add(folder / member, member)
    return folder / "it.tar"


@pytest.fixture(scope="module")
def server():
    with postgresql() as server:
        yield server


@pytest.fixture
def dump(server, tmp_path):
    server.sql("postgres", "DROP DATABASE IF EXISTS old; ")
    server.sql("postgres", "CREATE DATABASE old")
    server.sql("old", "CREATE TABLE people (name text); INSERT INTO people VALUES ('new')")
    argv = ["pg_dump", "-Fc", "-h", "127.0.0.1", "-p", str(server.port), "-U", "postgres", "old"]
    return archive(tmp_path, "database.dump", subprocess.run(argv, check=True, capture_output=True).stdout)


def test_postgresql_is_filled_and_what_it_held_is_kept_in_a_file(server, dump, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    server.sql("postgres", "CREATE DATABASE mine")
    server.sql("mine", "CREATE TABLE people (name text); INSERT INTO people VALUES ('mine')")
    target = elsewhere(f"postgres://postgres:unused@127.0.0.1:{server.port}/mine", tmp_path)
    assert "unused" not in f"{target}"
    kept = fill(target, dump, quiet)
    assert server.sql("mine", "SELECT name FROM people") == "new"
    assert os.stat(kept).st_mode & 0o777 == 0o600
    assert b"mine" in subprocess.run(["pg_restore", "-f", "-", kept], check=True, capture_output=True).stdout


def test_a_dump_that_does_not_fit_changes_nothing(server, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    server.sql("postgres", "CREATE DATABASE whole")
    server.sql("whole", "CREATE TABLE people (name text); INSERT INTO people VALUES ('mine')")
    target = elsewhere(f"postgres://postgres@127.0.0.1:{server.port}/whole", tmp_path)
    with pytest.raises(DataError, match="pg_restore failed"):
        fill(target, archive(tmp_path, "database.dump", b"PGDMP and no more"), quiet)
    assert server.sql("whole", "SELECT name FROM people") == "mine"
    assert not list(tmp_path.glob("whole-before-*"))


def test_a_file_of_sqlite_is_filled_under_who_has_it_open(tmp_path):
    def made(path, name):
        with sqlite3.connect(path) as db:
            db.execute("CREATE TABLE people (name)")
            db.execute("INSERT INTO people VALUES (?)", (name,))
        return path

    source = archive(tmp_path, "database.sqlite3", made(tmp_path / "new", "new").read_bytes())
    mine = made(tmp_path / "mine.sqlite3", "mine")
    with sqlite3.connect(mine) as open_elsewhere:
        kept = fill(elsewhere("sqlite:///mine.sqlite3", tmp_path), source, quiet)
        assert open_elsewhere.execute("SELECT name FROM people").fetchall() == [("new",)]
    with sqlite3.connect(kept) as db:
        assert db.execute("SELECT name FROM people").fetchall() == [("mine",)]


@pytest.mark.parametrize("url", ["mysql://a:secret@b/c", "secret", "https://secret.example/"])
def test_another_address_is_refused_without_being_shown(url, tmp_path):
    with pytest.raises(UsageError) as caught:
        elsewhere(url, tmp_path)
    assert "secret" not in f"{caught.value}{caught.value.hint}"
