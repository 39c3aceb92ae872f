"""poetry.lock."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from nuages.environments.forms import poetry
from nuages.environments.forms.pinned import at_commits, constraints, fetched
from nuages.environments.forms.toml_files import read_toml, relative, tables
from nuages.environments.wishes import Wishes


KIND = "poetry.lock"
NAMES = ("poetry.lock",)


def find(root: Path, folder: str, extras: tuple[str, ...]) -> Wishes | None:
    return from_lock(root, folder, extras, "poetry.lock")


def from_lock(root: Path, folder: str, extras: tuple[str, ...], name: str) -> Wishes | None:
    """What pyproject.toml names, at the versions of a lock with [[package]] tables."""
    packages = tables(read_toml(root / folder / name).get("package"))
    wishes = poetry.direct(root, folder, extras) if packages else None
    if not wishes:
        return None
    wishes = replace(wishes, lines=at_commits(wishes.lines, fetched(packages)))
    return wishes.plus(Wishes(constraints=constraints(packages), locked=True, files=(relative(folder, name),)))
