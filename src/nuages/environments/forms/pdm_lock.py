"""pdm.lock."""

from __future__ import annotations

from pathlib import Path

from nuages.environments.forms.poetry_lock import from_lock
from nuages.environments.wishes import Wishes


KIND = "pdm.lock"
NAMES = ("pdm.lock",)


def find(root: Path, folder: str, extras: tuple[str, ...]) -> Wishes | None:
    return from_lock(root, folder, extras, "pdm.lock")
