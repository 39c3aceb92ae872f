"""A dump of this machine becomes a site's database: sent there, loaded beside the live one, checked, swapped; what it
replaces is kept. Where its engine is SQLite and the site's PostgreSQL, its rows are moved, and each value compared.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import sqlite3
import tarfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nuages.data.dump import forget, send, stamp
from nuages.data.hand import Hand, Report
from nuages.data.restore import restore, swap_steps
from nuages.errors import UsageError
from nuages.hosts.transport import Progress


MANIFEST = "manifest.json"
SQLITE = b"SQLite format 3\0"


@dataclass(frozen=True)
class Pushed:
    kept: str
    rows: int
    moved: bool  # from one engine to another


def push(
    hand: Hand,
    source: Path,
    engine: str,
    token: str,
    report: Report,
    progress: Progress,
    *,
    migrate: bool,
    newer: bool,
    page: bool,
) -> Pushed:
    """`source` is an archive here, `engine` that of the site."""
    manifest = manifest_of(source)
    path = send(hand, source, progress)
    try:
        if manifest["engine"] == engine:
            restored = restore(hand, path, token, report, shown=source.name, migrate=migrate, newer=newer, page=page)
            return Pushed(restored.kept, restored.rows, moved=False)
        if (manifest["engine"], engine) != ("sqlite", "postgresql"):
            what = f"the dump is of {manifest['engine']}, and the site's database is {engine}"
            raise UsageError(what, hint="rows go from SQLite to PostgreSQL only")
        return _across(hand, path, token, report, migrate=migrate, page=page)
    finally:
        forget(hand, path, token=token)


def _across(hand: Hand, path: str, token: str, report: Report, *, migrate: bool, page: bool) -> Pushed:
    drop = hand.op("drop", word="restore")
    load = hand.op("load", program="crossing.py", file=path, migrate=migrate)
    steps = [
        hand.step("+", "database ...-restore, its rows from SQLite, each value compared", load, undo=(drop,)),
        *swap_steps(hand, f"before-{stamp()}", page=page),
    ]
    hand.carry_out(steps, token, report)
    return Pushed(str(hand.answer("swap")["kept"]), int(hand.answer("load")["rows"]), moved=True)


def manifest_of(source: Path) -> dict[str, Any]:
    """Of an archive on this machine. Raises UsageError where it is none."""
    try:
        with tarfile.open(source, "r:") as tar:
            file = tar.extractfile(MANIFEST)
            return dict(json.load(file)) if file else {}
    except (tarfile.TarError, KeyError, ValueError) as error:
        hint = "give a .tar of `nuages db pull --to` or `nuages db backup`, or a SQLite file"
        raise UsageError("this is no dump of Nuages", where=str(source), hint=hint) from error


@contextlib.contextmanager
def as_archive(source: Path, folder: Path) -> Iterator[Path]:
    """`source` itself, or where it is a file of SQLite, an archive of what it holds at this instant."""
    with source.open("rb") as file:
        raw = file.read(len(SQLITE))
    if raw != SQLITE:
        yield source
        return
    copy, archive = folder / "database.sqlite3", folder / "it.tar"
    with contextlib.closing(sqlite3.connect(source)) as old, contextlib.closing(sqlite3.connect(copy)) as new:
        old.backup(new)
        new.execute("PRAGMA journal_mode=DELETE")
        manifest = _described(new, source.name)
    content = copy.read_bytes()
    manifest |= {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    with tarfile.open(archive, "w:", format=tarfile.GNU_FORMAT) as tar:
        tar.add(copy, copy.name)
        _add(tar, MANIFEST, json.dumps(manifest, indent=1).encode())
    yield archive


def _described(db: sqlite3.Connection, name: str) -> dict[str, Any]:
    listed = db.execute("SELECT name FROM sqlite_master WHERE type='table' AND sql NOT LIKE 'CREATE VIRTUAL%' ORDER BY name")
    names = [row[0] for row in listed if not row[0].startswith("sqlite_stat")]
    quoted = {name: '"' + name.replace('"', '""') + '"' for name in names}
    tables = {name: db.execute(f"SELECT count(*) FROM {quoted[name]}").fetchone()[0] for name in names}  # noqa: S608
    sequences = dict(db.execute("SELECT name, seq FROM sqlite_sequence")) if "sqlite_sequence" in tables else {}
    recorded = "SELECT app, name FROM django_migrations ORDER BY id"
    if "django_migrations" not in tables:
        raise UsageError("this is no database of a Django project", where=name, hint="it has no table django_migrations")
    return {
        "format": 1,
        "site": name,
        "alias": "default",
        "engine": "sqlite",
        "version": sqlite3.sqlite_version,
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "tables": tables,
        "sequences": sequences,
        "migrations": [list(row) for row in db.execute(recorded)],
        "extensions": [],
    }


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(content), 0o600
    tar.addfile(info, io.BytesIO(content))
