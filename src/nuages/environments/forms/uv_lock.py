"""uv.lock: only uv turns it into requirements (markers, extras, forks); here is read what to ask it for."""

from __future__ import annotations

import os
import re
from pathlib import Path

from nuages.environments.forms.dependency_group import production_groups
from nuages.environments.forms.pyproject import chosen_extras
from nuages.environments.forms.toml_files import read_toml, relative
from nuages.environments.wishes import Wishes, is_public
from nuages.secret import Secret


KIND = "uv.lock"
NAMES = ("uv.lock",)


def find(root: Path, folder: str, extras: tuple[str, ...]) -> Wishes | None:
    here = root / folder
    if not (here / "uv.lock").is_file() or not (here / "pyproject.toml").is_file():
        return None
    manifest = read_toml(here / "pyproject.toml")
    lock = (here / "uv.lock").read_text(encoding="utf-8", errors="replace")  # parsing takes ten times as long
    chosen, extra_notes = chosen_extras(manifest, extras)
    groups, group_notes = production_groups(manifest)
    arguments = (*(a for e in chosen for a in ("--extra", e)), *(a for g in groups for a in ("--group", g)))
    return Wishes(
        export=folder or ".",
        export_arguments=arguments,
        locked=True,
        indexes=_indexes(lock),
        files=(relative(folder, "uv.lock"), relative(folder, "pyproject.toml")),
        group=", ".join(groups),
        extras=chosen,
        notes=(*extra_notes, *group_notes),
        fetched=_fetched(lock),
        folders=_folders(root, folder, lock),
    )


def _indexes(lock: str) -> tuple[Secret, ...]:
    found = sorted(set(re.findall(r'^source = \{ registry = "(https?://[^"]+)" \}', lock, re.MULTILINE)))
    return tuple(Secret(url) for url in found if not is_public(url))


def _folders(root: Path, folder: str, lock: str) -> tuple[str, ...]:
    """Members of the workspace and other local packages."""
    found = re.findall(r'^source = \{ (?:editable|directory) = "([^"]+)" \}', lock, re.MULTILINE)
    inside = (os.path.normpath(relative(folder, path)) for path in found if path != ".")
    return tuple(path for path in inside if not path.startswith("..") and (root / path).is_dir())


def _fetched(lock: str) -> tuple[str, ...]:
    found = re.findall(r'^name = "([^"]+)"\nversion = "[^"]*"\nsource = \{ git = "([^"]+)" \}', lock, re.MULTILINE)
    return tuple(f"{name} @ git+{url}" for name, url in found)
