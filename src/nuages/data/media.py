"""Uploads between this machine and a site: only what differs travels, and nothing is deleted unless that was asked for.

Two files are the same when size and time are; where only the time differs, their content decides. Modes and times travel
along. On the host everything is done as the site's account.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nuages.data.hand import LONG, PROGRAMS, Place
from nuages.errors import DataError
from nuages.hosts.command import Command
from nuages.hosts.local import LocalTransport
from nuages.hosts.transport import Progress


BATCH = 64 << 20  # bytes in one tar: what a broken connection may cost
Listing = Mapping[str, Sequence[int]]  # path -> size, time, mode


@dataclass(frozen=True)
class Files:
    """A folder of uploads, on a host or here."""

    place: Place
    root: Path

    def ask(self, verb: str, **wish: Any) -> dict[str, Any]:
        host, program = self.place.host, PROGRAMS / "media.py"
        files = {"media.py": program.read_text(encoding="utf-8"), "wish.json": json.dumps({"root": str(self.root), **wish})}
        with host.scratch(files, owner=self.place.account) as folder:
            return self.run(verb, folder)

    def run(self, verb: str, folder: str) -> dict[str, Any]:
        python = "python3" if self.place.host.remote else sys.executable
        argv = (python, "-I", "-S", "-B", f"{folder}/media.py", verb, f"{folder}/wish.json")
        result = self.place.host.run(Command(argv, timeout=LONG, user=self.place.account))
        lines = result.stdout.strip().splitlines()
        told: dict[str, Any] = json.loads(lines[-1]) if lines else {"error": result.tail()}
        if not result.ok:
            raise DataError("the uploads can't be read or written", where=str(self.root), detail=str(told.get("error", "")))
        return told

    def listing(self) -> Listing:
        return self.ask("list")

    def digests(self, paths: Sequence[str]) -> dict[str, str]:
        return self.ask("digest", paths=list(paths)) if paths else {}


def uploads_of(place: Place) -> Files:
    return Files(place, place.layout.shared("media"))


def folder_here(path: Path) -> Files:
    from nuages.release.layout import Layout

    return Files(Place(LocalTransport(), Layout(path), path.name), path)


@dataclass(frozen=True)
class Difference:
    """What must travel for `there` to be as `here`."""

    new: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()  # only at the target
    sizes: Mapping[str, int] = field(default_factory=dict)

    @property
    def paths(self) -> tuple[str, ...]:
        return (*self.new, *self.changed)

    @property
    def bytes(self) -> int:
        return sum(self.sizes[path] for path in self.paths)


def difference(source: Files, target: Files) -> Difference:
    ours, theirs = source.listing(), target.listing()
    both = [path for path in ours if path in theirs]
    resized = {path for path in both if ours[path][0] != theirs[path][0]}
    doubtful = [path for path in both if path not in resized and ours[path][1] != theirs[path][1]]
    left, right = source.digests(doubtful), target.digests(doubtful)
    changed = resized | {path for path in doubtful if left[path] != right[path]}
    return Difference(
        new=tuple(path for path in ours if path not in theirs),
        changed=tuple(path for path in both if path in changed),
        gone=tuple(path for path in theirs if path not in ours),
        sizes={path: ours[path][0] for path in ours},
    )


def pull(source: Files, target: Path, found: Difference, progress: Progress, *, delete: bool) -> None:
    """To this machine, in batches: what has arrived stays when the connection dies."""
    done = 0
    for batch in batches(found.paths, found.sizes):
        _fetch(source, target, batch)
        done += sum(found.sizes[path] for path in batch)
        progress(f"fetched {done / 1e6:.1f} of {found.bytes / 1e6:.1f} MB")
    for path in found.gone if delete else ():
        (target / path).unlink(missing_ok=True)


def _fetch(source: Files, target: Path, batch: Sequence[str]) -> None:
    host = source.place.host
    program = (PROGRAMS / "media.py").read_text(encoding="utf-8")
    with host.scratch({"media.py": program, "wish.json": "{}", "out/.here": ""}, owner=source.place.account) as folder:
        wish = {"root": str(source.root), "paths": list(batch), "to": f"{folder}/out/files.tar"}
        with host.scratch({"media.py": program, "wish.json": json.dumps(wish)}, owner=source.place.account) as asked:
            source.run("pack", asked)
        with tempfile.TemporaryDirectory(prefix="nuages-media-") as here:
            arrived = Path(here) / "files.tar"
            host.fetch(f"{folder}/out/files.tar", arrived, lambda _line: None)
            with tarfile.open(arrived, "r:") as tar:
                tar.extractall(target, filter="data")


def batches(paths: Sequence[str], sizes: Mapping[str, int]) -> Iterator[list[str]]:
    batch: list[str] = []
    size = 0
    for path in paths:
        if batch and size + sizes[path] > BATCH:
            yield batch
            batch, size = [], 0
        batch.append(path)
        size += sizes[path]
    if batch:
        yield batch


def push(source: Path, target: Files, found: Difference, progress: Progress, *, delete: bool) -> int:
    """From this machine; bytes that were sent. Each file appears under its name when it is whole."""
    files, pieces = [], {}
    for path in found.paths:
        info = (source / path).stat()
        with (source / path).open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        pieces[digest] = source / path
        files.append([path, digest, info.st_mode & 0o777, int(info.st_mtime)])
    store = str(target.place.layout.dir / "run" / "media-incoming")
    host, account = target.place.host, target.place.account
    sent = host.ship(pieces, store, progress) if pieces else 0
    if pieces and account:
        host.check(Command(("chown", "-R", "-P", f"{account}:", store), timeout=600))
    target.ask("place", store=store, files=files, delete=list(found.gone) if delete else [])
    if pieces:
        host.check(Command(("rm", "-rf", store), timeout=600))
    return sent
