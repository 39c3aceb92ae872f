"""Snapshots of the database before something that can't be taken back: the commands, what they will cost, which stay."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nuages.hosts.command import Command
from nuages.secret import Secret


# Measured on a laptop's disk; told as "about", so that nobody waits in doubt.
SQLITE_BYTES_PER_SECOND = 200_000_000
PG_DUMP_BYTES_PER_SECOND = 30_000_000
KEEP = 5


@dataclass(frozen=True)
class Snapshot:
    """One snapshot to be taken: the command, where it will be, how large and how long."""

    command: Command
    path: str
    told: str  # "about 120 MB, 1 s"


def snapshot_sqlite(
    python: str, script: str, database: str, folder: str, name: str, *, size: int
) -> Snapshot:
    """`script` is runtime/snapshot.py on that host; any Python 3.8+ runs it."""
    path = os.path.join(folder, f"{name}.sqlite3")
    return Snapshot(
        Command((python, "-I", "-S", script, database, path), timeout=3600),
        path,
        tell(size, SQLITE_BYTES_PER_SECOND),
    )


def restore_sqlite(python: str, script: str, path: str, database: str) -> Command:
    return Command((python, "-I", "-S", script, "--restore", path, database), timeout=3600)


def snapshot_postgresql(settings: Mapping[str, Any], folder: str, name: str, size: int) -> Snapshot:
    """`settings` as in Django's DATABASES. The password travels in the environment."""
    path = os.path.join(folder, f"{name}.dump")
    argv = (
        "pg_dump",
        "--format=custom",
        "--no-password",
        f"--file={path}",
        *client(settings),
        str(settings["NAME"]),
    )
    return Snapshot(
        Command(argv, env=password(settings), timeout=6 * 3600), path, tell(size, PG_DUMP_BYTES_PER_SECOND)
    )


def restore_postgresql(settings: Mapping[str, Any], path: str) -> Command:
    argv = (
        "pg_restore",
        "--clean",
        "--if-exists",
        "--no-owner",
        "--single-transaction",
        "--no-password",
        *client(settings),
        f"--dbname={settings['NAME']}",
        path,
    )
    return Command(argv, env=password(settings), timeout=6 * 3600)


def client(settings: Mapping[str, Any]) -> tuple[str, ...]:
    options = (("--host", "HOST"), ("--port", "PORT"), ("--username", "USER"))
    return tuple(f"{option}={settings[key]}" for option, key in options if settings.get(key))


def password(settings: Mapping[str, Any]) -> dict[str, str | Secret]:
    return {"PGPASSWORD": Secret(str(settings["PASSWORD"]))} if settings.get("PASSWORD") else {}


GB, MINUTES = 1e9, 120


def tell(size: int, speed: int) -> str:
    volume = f"{size / 1e9:.1f} GB" if size >= GB else f"{max(1, round(size / 1e6))} MB"
    seconds = max(1, round(size / speed))
    return (
        f"about {volume}, {seconds} s" if seconds < MINUTES else f"about {volume}, {round(seconds / 60)} min"
    )


def expired(names: tuple[str, ...], keep: int = KEEP) -> tuple[str, ...]:
    """The snapshots to remove, oldest first; names sort by the time they begin with (20261120T235959-v12)."""
    ordered = tuple(sorted(names))
    return ordered[:-keep] if keep and len(ordered) > keep else ()
