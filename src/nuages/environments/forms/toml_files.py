"""TOML as found in the wild: unreadable counts as empty, wrong types count as absent."""

from __future__ import annotations

import contextlib
import tomllib
from pathlib import Path
from typing import Any


def read_toml(path: Path) -> dict[str, Any]:
    with contextlib.suppress(OSError, ValueError):
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    return {}


def table(data: Any, *keys: str) -> dict[str, Any]:
    for key in keys:
        data = data.get(key) if isinstance(data, dict) else None
    return data if isinstance(data, dict) else {}


def strings(value: Any) -> tuple[str, ...]:
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def tables(value: Any) -> tuple[dict[str, Any], ...]:
    return tuple(item for item in value if isinstance(item, dict)) if isinstance(value, list) else ()


def relative(folder: str, name: str) -> str:
    return str(Path(folder, name)) if folder not in ("", ".") else name
