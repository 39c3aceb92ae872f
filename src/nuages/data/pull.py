"""A site's database on its way to this machine: scrubbed there, then a file here.

with laid(place) as hand:
    intent = intend(look(hand), topology.scrub)
    manifest = pull(hand, intent, Path("shop.tar"), console.progress)        # intent None: as it is
"""

from __future__ import annotations

import contextlib
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nuages.data.dump import UNLOCKED, bring, dump, forget, stamp
from nuages.data.hand import Hand
from nuages.data.scrub import Intent, scrubbed_dump
from nuages.errors import UsageError
from nuages.hosts.transport import Progress


ENDINGS = {".sqlite3": "sqlite", ".db": "sqlite", ".dump": "postgresql"}


def pull(hand: Hand, intent: Intent | None, to: Path, progress: Progress, *, engine: str = "") -> dict[str, Any]:
    """Its manifest. On the host nothing is left. `engine`: of the dump, where it is to be another than the site's."""
    with made(hand, intent, progress, engine=engine) as (path, manifest):
        bring(hand, path, to, progress)
    return manifest


@contextlib.contextmanager
def made(hand: Hand, intent: Intent | None, progress: Progress, *, engine: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """A dump on the host, for as long as the block runs: where it lies, and what it holds."""
    path = f"{hand.place.dumps}/{hand.place.site}-pulled-{stamp()}.tar"
    try:
        if intent or engine:
            manifest = scrubbed_dump(hand, intent, path, progress, engine=engine)
        else:
            manifest = dump(hand, path, UNLOCKED, lambda _event: None, why="pulled as it is")
        yield path, manifest
    finally:
        forget(hand, path)


def engine_of(to: Path, engine: str) -> str:
    """A file's ending says what it should hold; .tar holds what the site has. Raises UsageError."""
    if to.suffix == ".tar":
        return engine
    if to.suffix not in ENDINGS:
        known = ", ".join(sorted({".tar", *ENDINGS}))
        raise UsageError(f"{to.name} does not say what it should be", hint=f"end it with one of {known}; .tar can be restored")
    return ENDINGS[to.suffix]


def take_out(archive: Path, to: Path) -> None:
    """The database alone, as pg_restore and sqlite3 read it."""
    with tarfile.open(archive, "r:") as tar:
        member = next(m for m in tar.getmembers() if m.name.startswith("database."))
        source = tar.extractfile(member)
        partial = to.with_name(f".{to.name}.partial")
        partial.touch(mode=0o600)
        with partial.open("wb") as file:
            while source and (chunk := source.read(1 << 20)):
                file.write(chunk)
        partial.replace(to)
