"""The project's own callable."""

from __future__ import annotations

import importlib


def load_callable(path, factory):
    """`package.module:attribute` of the project; where it has none, what Django's factory makes."""
    module, _colon, attribute = (path or factory).partition(":")
    target = importlib.import_module(module)
    for name in (attribute or "application").split("."):
        target = getattr(target, name)
    return target if path else target()
