"""A guide as a script: the commands in its tables, and what it has one write to nuages.toml, in their order."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path


GUIDES = Path(__file__).parents[2] / "docs" / "guides"
OURS = 1  # column of a table that holds what to type


def script(guide: str) -> Iterator[tuple[str, str]]:
    """("type", a command line) and ("write", TOML to add to nuages.toml)."""
    text = (GUIDES / guide).read_text(encoding="utf-8")
    for block, row in re.findall(r"^```toml\n(.*?)^```|^\| ([^\n]+) \|$", text, re.MULTILINE | re.DOTALL):
        if block:
            yield "write", block
        cells = row.split(" | ")
        for command in re.findall(r"`((?:nuages|git) [^`]+)`", cells[OURS] if len(cells) > OURS else ""):
            yield "type", command
