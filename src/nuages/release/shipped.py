"""The runtime as it is copied into every release, and its version."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path


RUNTIME = Path(__file__).parent.parent / "runtime"
FORMAT = "1"


@cache
def runtime_digest() -> str:
    """The version of the overlay: a digest of every file that is copied into the release."""
    total = hashlib.sha256(FORMAT.encode())
    for path in sorted(RUNTIME.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            total.update(str(path.relative_to(RUNTIME)).encode() + b"\0" + path.read_bytes())
    return total.hexdigest()[:16]
