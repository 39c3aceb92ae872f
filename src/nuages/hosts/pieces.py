"""Pieces of a build on their way to a host: files named by their digest, compressed where that pays."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from nuages.errors import HostError
from nuages.hosts.transport import Progress


CHUNK = 1 << 20
PACKED_WHOLE = 64 << 20  # bytes up to which a file is compressed, in memory
SAMPLE = 64 << 10
PAYS = 0.9  # of its size at most


def sizes(pieces: Mapping[str, Path]) -> dict[str, int]:
    return {digest: path.stat().st_size for digest, path in pieces.items()}


def frames(pieces: Mapping[str, Path], lacking: Iterable[str]) -> Iterator[tuple[str, int, Iterator[bytes]]]:
    """(digest, size, bytes to send) of each; see `receive` of hosts/agent_server.py for their shape."""
    for digest in lacking:
        size = pieces[digest].stat().st_size
        yield digest, size, _frame(digest, pieces[digest], size)
    yield "", 0, iter((b"end\n",))


def _frame(digest: str, path: Path, size: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        if size <= PACKED_WHOLE:
            data = file.read()
            packed = zlib.compress(data, 1) if _pays(data[:SAMPLE]) else b""
            head = b"%s %d %d\n" % (digest.encode(), size, len(packed))
            yield head + (packed or data)
            return
        yield b"%s %d 0\n" % (digest.encode(), size)
        while chunk := file.read(CHUNK):
            yield chunk


@dataclass
class Arrival:
    """A file that comes in parts, told by the agent's `send`."""

    file: IO[bytes]
    progress: Progress
    total: int = 0
    size: int = 0
    seen: Any = field(default_factory=hashlib.sha256)

    def hear(self, event: Mapping[str, Any]) -> None:
        if event["event"] == "size":
            self.total = event["bytes"]
        elif event["event"] == "part":
            data = base64.b64decode(event["data"])
            self.file.write(data)
            self.seen.update(data)
            before, self.size = self.size, self.size + len(data)
            if self.size * 20 // max(1, self.total) != before * 20 // max(1, self.total):
                self.progress(f"fetching {self.size / 1e6:.1f} of {self.total / 1e6:.1f} MB")

    def whole(self, told: Mapping[str, Any], host: str) -> int:
        if (self.size, self.seen.hexdigest()) != (told["size"], told["sha256"]):
            raise HostError("the file arrived with another content than it was sent with", where=host, hint="try again")
        return self.size


@contextlib.contextmanager
def arriving(to: Path, progress: Progress) -> Iterator[Arrival]:
    """`to` appears when the block ends well."""
    partial = to.with_name(f"{to.name}.{os.getpid()}.partial")
    try:
        with os.fdopen(os.open(partial, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600), "wb") as file:
            yield Arrival(file, progress)
        partial.replace(to)
    finally:
        partial.unlink(missing_ok=True)


def _pays(sample: bytes) -> bool:
    return len(zlib.compress(sample, 1)) < PAYS * len(sample)
