"""What a snapshot costs is told before it is taken, and old ones go."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from nuages.hosts.command import Command
from nuages.migrations.snapshot import expired, keep, put_back, tell


SCRIPT = Path(__file__).parents[3] / "src" / "nuages" / "runtime" / "snapshot.py"


@pytest.mark.parametrize(
    ("size", "told"),
    [
        (0, "about 1 MB, 1 s"),
        (120_000_000, "about 120 MB, 1 s"),
        (3_000_000_000, "about 3.0 GB, 15 s"),
        (60_000_000_000, "about 60.0 GB, 5 min"),
    ],
)
def test_size_and_time_are_told_in_words(size, told):
    assert tell(size) == told


def test_the_newest_snapshots_stay_by_the_release_they_were_taken_for():
    names = tuple(f"v{n}-3c9e-before-default.sqlite3" for n in (2, 10, 9, 1, 3, 11, 4))

    assert expired(names, keep=5) == ("v1-3c9e-before-default.sqlite3", "v2-3c9e-before-default.sqlite3")


def test_a_snapshot_of_a_database_in_use_can_be_put_back(tmp_path):
    live, copy = tmp_path / "db.sqlite3", tmp_path / "v2-before-default.sqlite3"
    connection = sqlite3.connect(live)
    connection.executescript("PRAGMA journal_mode=WAL; CREATE TABLE book (title); INSERT INTO book VALUES ('Emma');")
    subprocess.run([sys.executable, str(SCRIPT), str(live), str(copy)], check=True, capture_output=True)
    connection.executescript("DROP TABLE book;")
    connection.close()

    subprocess.run([sys.executable, str(SCRIPT), "--restore", str(copy), str(live)], check=True, capture_output=True)
    restored = sqlite3.connect(live)
    rows = restored.execute("SELECT title FROM book").fetchall()
    restored.close()

    assert rows == [("Emma",)]
    assert list(tmp_path.glob("v2-*")) == [copy]
    assert copy.stat().st_mode & 0o077 == 0


@pytest.fixture
def by_user(tmp_path, monkeypatch):
    """A runuser that any user may run: it drops "-u NAME --"."""
    program = tmp_path / "bin" / "runuser"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\n[ "$1 $2 $3" = "-u shop --" ] || exit 9\nshift 3\nexec "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    return lambda script: Command(("sh", "-c", script), user="shop")


def test_a_snapshot_on_a_server_is_kept_where_the_sites_user_may_not_look(tmp_path, by_user):
    kept = tmp_path / "v3-before-default.dump"
    command = keep(by_user("printf rows"), str(kept))
    subprocess.run(command.argv, check=True)

    assert (kept.read_text(), oct(kept.stat().st_mode)[-3:], command.user) == ("rows", "600", "")


def test_a_snapshot_that_fails_has_no_name(tmp_path, by_user):
    kept = tmp_path / "v3-before-default.dump"
    done = subprocess.run(keep(by_user("printf half; exit 3"), str(kept)).argv, check=False)

    assert done.returncode == 3
    assert not kept.exists()


def test_a_snapshot_is_sent_back_to_the_sites_user(tmp_path, by_user):
    (tmp_path / "kept").write_text("rows")
    done = subprocess.run(put_back(by_user("cat"), str(tmp_path / "kept")).argv, check=True, capture_output=True, text=True)

    assert done.stdout == "rows"
