"""Anything as JSON: lazy strings, paths, sets, objects, loops. Nothing here may raise."""

from __future__ import annotations

import datetime as dt
import math
import os


DEPTH = 12
LENGTH = 20000


def plain(value, depth=DEPTH):
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else repr(value)
    if isinstance(value, str):
        return clean(str.__str__(value))
    if depth <= 0:
        return "..."
    try:
        return compound(value, depth)
    except BaseException as error:
        return "<%s: %s>" % (type(value).__name__, type(error).__name__)


def compound(value, depth):
    if isinstance(value, dict):
        return {key_of(k): plain(v, depth - 1) for k, v in list(value.items())[:LENGTH]}
    if isinstance(value, (list, tuple)):
        return [plain(item, depth - 1) for item in value[:LENGTH]]
    if isinstance(value, (set, frozenset)):
        return sorted((plain(item, depth - 1) for item in value), key=repr)
    if isinstance(value, os.PathLike):
        return clean(os.fspath(value)) if isinstance(os.fspath(value), str) else repr(value)
    if isinstance(value, dt.timedelta):
        return value.total_seconds()
    return clean(str(value))


def key_of(key):
    return key if isinstance(key, str) else clean(str(key))


def clean(text):
    """Lone surrogates (undecodable file names) would break the reader's UTF-8."""
    return text[:LENGTH].encode("utf-8", "replace").decode("utf-8")
