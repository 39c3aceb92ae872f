"""A Project as JSON and back, so that an inspection can be kept beside its key."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nuages.project.model import Project
from nuages.secret import Secret


def as_json(project: Project) -> dict[str, Any]:
    return typing.cast("dict[str, Any]", plain(project))


def from_json(data: Mapping[str, Any]) -> Project:
    """Raises KeyError, TypeError or ValueError when it was written by another version; inspect again then."""
    return typing.cast("Project", restore(Project, data))


def plain(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):  # a secret is not kept: a remembered project has its environment already
        return {str(k): plain(v) for k, v in value.items() if not isinstance(v, Secret)}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def restore(kind: Any, value: Any) -> Any:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        hints = typing.get_type_hints(kind)
        known = {f.name for f in dataclasses.fields(kind)}
        if set(value) - known:
            raise ValueError(f"unknown in {kind.__name__}: {sorted(set(value) - known)}")
        return kind(**{name: restore(hints[name], item) for name, item in value.items()})
    if origin is tuple:
        kinds = [arguments[0]] * len(value) if arguments[-1] is Ellipsis else list(arguments)
        return tuple(restore(k, item) for k, item in zip(kinds, value, strict=True))
    if kind is Path:
        return Path(value)
    return value
