"""Pieces of a build on their way to a host: files named by their digest, compressed where that pays."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path


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


def _pays(sample: bytes) -> bool:
    return len(zlib.compress(sample, 1)) < PAYS * len(sample)
