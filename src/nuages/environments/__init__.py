"""Pythons, locks and virtual environments: what a project needs, resolved once and built beside the site.

`find_requirements` and `python_hints` read files; `make_lock` asks the resolver; `build_environment` writes into the
store. Each is loaded when it is first asked for: a deploy with nothing to do needs none of them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any


if TYPE_CHECKING:
    from nuages.environments.building import build_environment
    from nuages.environments.hints import python_hints
    from nuages.environments.locking import make_lock
    from nuages.environments.requirements import find_requirements


__all__ = ["build_environment", "find_requirements", "make_lock", "python_hints"]

_PLACES = {
    "build_environment": "building",
    "find_requirements": "requirements",
    "make_lock": "locking",
    "python_hints": "hints",
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(name)
    return getattr(importlib.import_module(f"nuages.environments.{_PLACES[name]}"), name)
