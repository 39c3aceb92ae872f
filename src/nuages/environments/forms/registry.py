"""The forms, the best first.

A form says `None` where the folder has no such thing. `folder` is relative to `root`. Nothing is run and nothing is
imported to find out.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from nuages.environments.forms import (
    dependency_group,
    pdm_lock,
    pipfile,
    pipfile_lock,
    poetry,
    poetry_lock,
    pyproject,
    requirement_files,
    setup_files,
    uv_lock,
)
from nuages.environments.wishes import Wishes


class Form(Protocol):
    """A module of this folder; `NAMES`, where it has them, are the files that nuages.toml may name for it."""

    @property
    def KIND(self) -> str: ...  # noqa: N802
    def find(self, root: Path, folder: str, extras: tuple[str, ...], /) -> Wishes | None: ...


# A whole lock first, then what people deploy from, then what only names the direct dependencies.
FORMS: tuple[Form, ...] = (
    uv_lock,
    poetry_lock,
    pdm_lock,
    pipfile_lock,
    requirement_files.production,
    requirement_files.plain,
    pyproject,
    poetry,
    pipfile,
    dependency_group,
    setup_files,
)
