"""The Django project as it is: read from its files, then asked by a probe that runs in a scratch copy.

Each part is loaded when it is first asked for: a deploy with nothing to do only remembers.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any


if TYPE_CHECKING:
    from nuages.project.inspection import inspect_project
    from nuages.project.reading import read_files
    from nuages.project.rendering import report
    from nuages.project.stored import as_json, from_json


__all__ = ["as_json", "from_json", "inspect_project", "read_files", "report"]

_PLACES = {
    "as_json": "stored",
    "from_json": "stored",
    "inspect_project": "inspection",
    "read_files": "reading",
    "report": "rendering",
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(name)
    return getattr(importlib.import_module(f"nuages.project.{_PLACES[name]}"), name)
