from __future__ import annotations

import sqlite3
import sys

from nuages.hosts.local import LocalTransport
from nuages.migrations.snapshot import expired, restore_sqlite, snapshot_postgresql, snapshot_sqlite, tell


def script():
    from pathlib import Path

    import nuages

    return str(Path(nuages.__file__).parent / "runtime" / "snapshot.py")


def rows(path):
    connection = sqlite3.connect(path)
    found = [row[0] for row in connection.execute("SELECT title FROM book")]
    connection.close()
    return found


def test_a_snapshot_of_a_database_in_use_is_whole_and_goes_back(tmp_path):
    live = tmp_path / "a name with ? and #.sqlite3"
    writer = sqlite3.connect(live)
    writer.execute("PRAGMA journal_mode = wal")
    writer.execute("CREATE TABLE book (title)")
    writer.execute("INSERT INTO book VALUES ('kept')")
    writer.commit()
    here = LocalTransport()
    snapshot = snapshot_sqlite(
        sys.executable, script(), str(live), str(tmp_path / "snapshots"), "v1", size=4096
    )
    here.check(snapshot.command)
    writer.execute("INSERT INTO book VALUES ('later')")
    writer.commit()
    writer.close()
    assert rows(snapshot.path) == ["kept"]
    assert (tmp_path / "snapshots" / "v1.sqlite3").stat().st_mode & 0o077 == 0
    here.check(restore_sqlite(sys.executable, script(), snapshot.path, str(live)))
    assert rows(live) == ["kept"]


def test_a_snapshot_that_fails_says_why(tmp_path):
    snapshot = snapshot_sqlite(sys.executable, script(), str(tmp_path / "none"), str(tmp_path), "v1", size=0)
    result = LocalTransport().run(snapshot.command)
    assert result.status == 1
    assert "the snapshot failed" in result.stdout


def test_the_password_of_a_snapshot_is_in_no_argument():
    settings = {"NAME": "shop", "USER": "shop", "HOST": "db-1", "PASSWORD": "hush-hush"}
    snapshot = snapshot_postgresql(settings, "/srv/shop/snapshots", "v1", 10)
    assert "hush-hush" not in repr(snapshot)
    assert snapshot.command.environment()["PGPASSWORD"] == "hush-hush"


def test_size_and_time_are_told_before():
    assert tell(0, 1000) == "about 1 MB, 1 s"
    assert tell(40_000_000_000, 30_000_000) == "about 40.0 GB, 22 min"


def test_the_newest_snapshots_stay():
    assert expired(("3", "1", "2"), keep=2) == ("1",)
    assert expired(("1",), keep=2) == ()
