"""Pipfile.lock: its `default` section is the whole of what production needs."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

from nuages.environments.forms.pipfile import entry, indexes
from nuages.environments.forms.toml_files import relative, table, tables
from nuages.environments.wishes import Wishes


KIND = "Pipfile.lock"
NAMES = ("Pipfile.lock",)


def find(root: Path, folder: str, extras: tuple[str, ...]) -> Wishes | None:
    lock: object = None
    with contextlib.suppress(OSError, ValueError):
        lock = json.loads((root / folder / "Pipfile.lock").read_text(encoding="utf-8-sig"))
    packages = table(lock, "default")
    if not packages:
        return None
    wishes = Wishes(
        files=(relative(folder, "Pipfile.lock"),),
        locked=True,
        indexes=indexes(tables(table(lock, "_meta").get("sources"))),
    )
    for name, value in packages.items():
        wishes = wishes.plus(entry(root, folder, name, value))
    return wishes
