"""Edits of a nuages.toml that leave its comments and its form as they are. Text in, text out."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

import tomlkit
from tomlkit.items import Array


Path = Sequence[str]  # ("services", "cache")


def declared(text: str, path: Path) -> Any:
    """What stands at a path; None where nothing does."""
    value: Any = tomllib.loads(text)
    for part in path:
        if not isinstance(value, Mapping) or part not in value:
            return None
        value = value[part]
    return value


def put(text: str, path: Path, value: Any) -> str:
    """Set a key. Where the file shows it commented out, as `nuages init` writes them, that line becomes the key."""
    if declared(text, path) is None:
        told = _uncommented(text, path, value)
        if told is not None:
            return told
    document = tomlkit.parse(text)
    table: Any = document
    for part in path[:-1]:
        if part not in table:
            table[part] = tomlkit.table()
        table = table[part]
    known = table.get(path[-1])
    if isinstance(known, Array) and isinstance(value, list):
        _make_list(known, value)
    else:
        table[path[-1]] = value
    return tomlkit.dumps(document)


def drop(text: str, path: Path) -> str:
    """Take a key or a table away; nothing where it is not there."""
    if declared(text, path) is None:
        return text
    document = tomlkit.parse(text)
    table: Any = document
    for part in path[:-1]:
        table = table[part]
    table.remove(path[-1])
    return tomlkit.dumps(document)


def _make_list(known: Array, wanted: list[Any]) -> None:
    """In place: a list over several lines stays so."""
    for index in reversed(range(len(known))):
        if known[index] not in wanted:
            del known[index]
    for item in wanted:
        if item not in known:
            known.append(item)


def _uncommented(text: str, path: Path, value: Any) -> str | None:
    lines = text.split("\n")
    header = f"[{'.'.join(path[:-1])}]"
    begin = 0 if len(path) == 1 else next((i + 1 for i, line in enumerate(lines) if line.strip() == header), -1)
    if begin < 0:
        return None
    pattern = re.compile(rf"#\s?{re.escape(path[-1])}\s*=")
    for index in range(begin, len(lines)):
        if lines[index].startswith("["):
            return None
        if pattern.match(lines[index]):
            lines[index] = f"{path[-1]} = {tomlkit.item(value).as_string()}"
            return _if_so("\n".join(lines), path, value)
    return None


def _if_so(text: str, path: Path, value: Any) -> str | None:
    try:
        return text if declared(text, path) == value else None
    except tomllib.TOMLDecodeError:
        return None
