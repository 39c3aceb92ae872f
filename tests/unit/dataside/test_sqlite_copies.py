"""SQLite: a copy is one instant, a restore is one transaction, and whoever has the database open sees it."""

import contextlib
import sqlite3

import pytest
from shipped_dataside import sqlite


@pytest.fixture
def live(tmp_path):
    path = str(tmp_path / "db.sqlite3")
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.executescript(
            "CREATE TABLE book (id integer PRIMARY KEY AUTOINCREMENT, title text); INSERT INTO book (title) VALUES ('one')"
        )
        db.commit()
    return path


def titles(path):
    with contextlib.closing(sqlite3.connect(path)) as db:
        return [row[0] for row in db.execute("SELECT title FROM book")]


def add(path, title):
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.execute("INSERT INTO book (title) VALUES (?)", [title])


def test_what_it_holds_is_counted(live):
    told = sqlite.contents(live)
    assert told["tables"] == {"book": 1, "sqlite_sequence": 1}
    assert told["sequences"] == {"book": 1}


def test_a_connection_that_stays_open_sees_what_was_restored(live, tmp_path):
    copy, kept = str(tmp_path / "copy"), str(tmp_path / "kept")
    sqlite.copy(live, copy)
    add(live, "two")
    with contextlib.closing(sqlite3.connect(live)) as open_meanwhile:
        assert open_meanwhile.execute("SELECT count(*) FROM book").fetchone() == (2,)
        sqlite.swap(live, copy, kept)
        assert open_meanwhile.execute("SELECT count(*) FROM book").fetchone() == (1,)
    assert titles(live) == ["one"]
    assert titles(kept) == ["one", "two"]
    assert not (tmp_path / "copy").exists()


def test_it_stays_in_wal_mode(live, tmp_path):
    sqlite.copy(live, str(tmp_path / "copy"))
    sqlite.swap(live, str(tmp_path / "copy"), str(tmp_path / "kept"))
    with contextlib.closing(sqlite3.connect(live)) as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_damaged_copy_is_refused(live, tmp_path):
    """As the other end of the pipe reads it."""
    with open(live, "rb") as file:
        file.seek(0)
        assert file.read(6) == b"SQLite"
    (tmp_path / "bad").write_bytes(b"SQLite format 3\0" + b"?" * 4096)
    with pytest.raises(sqlite3.DatabaseError):
        sqlite.contents(str(tmp_path / "bad"))


def test_kept_ones_are_told_apart_from_what_a_killed_restore_left(live, tmp_path):
    for name in ("db.sqlite3-before-20261125-010203", "db.sqlite3-restore", "db.sqlite3-restore-wal", "other"):
        (tmp_path / name).write_bytes(b"")
    assert [(row["name"], row["scratch"]) for row in sqlite.kept(live)] == [
        ("db.sqlite3-before-20261125-010203", False),
        ("db.sqlite3-restore", True),
    ]
