"""What a snapshot costs is told before it is taken, and old ones go."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from nuages.migrations.snapshot import expired, tell


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
