"""What every rule of the overlay may say with a new value."""

from __future__ import annotations

import os


NOTE = object()  # as a new value: nothing changes, the reason is told


def kept_type(old, new):
    """`new` in the type that the project's code expects: its lists, tuples and Paths stay what they are."""
    if isinstance(old, os.PathLike) and isinstance(new, str):
        return type(old)(new)
    if isinstance(old, str) and isinstance(new, os.PathLike):
        return os.fspath(new)
    if isinstance(old, tuple) and isinstance(new, list):
        return tuple(new)
    if isinstance(old, list) and isinstance(new, tuple):
        return list(new)
    return new
