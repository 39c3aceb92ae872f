"""A changed setting as plain Python, for `nuages settings eject`: what stays is taken from the project's own value."""

from __future__ import annotations

import os

from . import masking
from .overlay_core import PAGES


WIDTH = 100
ENV_NAMES = {
    ("DATABASES", "PASSWORD"): "DATABASE_PASSWORD",
    ("MAILERS", "password"): "EMAIL_HOST_PASSWORD",
    ("SECRET_KEY", None): "SECRET_KEY",
}
FROM_ENVIRONMENT = ("CACHE_URL", "REDIS_URL", "EMAIL_HOST", "EMAIL_HOST_USER", "EMAIL_HOST_PASSWORD")
FALLBACKS = '[key for key in os.environ.get("SECRET_KEY_FALLBACKS", "").split(",") if key]'
ABSENT = object()


class UnwritableError(Exception):
    """The value is no literal: a function, an object."""


def code_of(name, old, new, environ):
    """An expression, or "" where there is none. `old` is ABSENT where the project says nothing."""
    if name == "SECRET_KEY_FALLBACKS":
        return FALLBACKS
    try:
        return _laid_out(_Writer(name, environ).changed(name, old, new, None), 0)
    except UnwritableError:
        return ""


class _Writer:
    """Builds a tree: text, or (opening, parts, closing)."""

    def __init__(self, setting, environ):
        self.setting = setting
        self.known = {environ[name]: name for name in FROM_ENVIRONMENT if environ.get(name)}

    def changed(self, path, old, new, key):
        if old is ABSENT:
            return self.literal(new, key)
        if type(old) is type(new) and old == new:
            return path
        if isinstance(old, dict) and isinstance(new, dict) and not set(old) - set(new):
            parts = [
                ("%r: " % k, self.changed("%s[%r]" % (path, k), old.get(k, ABSENT), v, k))
                for k, v in new.items()
                if k not in old or old[k] != v
            ]
            return "{", [("**", path), *parts], "}"
        if isinstance(old, (list, tuple)) and type(old) is type(new) and len(new) >= len(old):
            return self.sequence(path, old, new, key)
        return self.literal(new, key)

    def sequence(self, path, old, new, key):
        opening, closing = "[]" if isinstance(new, list) else "()"
        more = len(new) - len(old)
        if list(new[: len(old)]) == list(old):
            parts = [("*", path)] + [("", self.literal(item, key)) for item in new[len(old) :]]
        elif list(new[more:]) == list(old):
            parts = [("", self.literal(item, key)) for item in new[:more]] + [("*", path)]
        else:
            parts = [
                (
                    "",
                    self.changed("%s[%d]" % (path, index), old[index] if index < len(old) else ABSENT, item, key),
                )
                for index, item in enumerate(new)
            ]
        if closing == ")" and len(parts) == 1:
            parts.append(("", ""))
        return opening, parts, closing

    def literal(self, value, key):
        if isinstance(value, dict):
            return "{", [("%r: " % k, self.literal(v, k)) for k, v in value.items()], "}"
        if isinstance(value, (list, tuple)):
            parts = [("", self.literal(item, key)) for item in value]
            if isinstance(value, tuple) and len(parts) == 1:
                parts.append(("", ""))
            return ("[", parts, "]") if isinstance(value, list) else ("(", parts, ")")
        if isinstance(value, os.PathLike):
            return "Path(%r)" % os.fspath(value)
        if isinstance(value, str):
            return self.text(str(value), key)
        if value is None or isinstance(value, (bool, int, float, bytes)):
            return repr(value)
        raise UnwritableError(type(value).__name__)

    def text(self, value, key):
        if value == PAGES:
            return "ERROR_PAGES"
        if value in self.known:
            return 'os.environ["%s"]' % self.known[value]
        if value and (masking.is_secret(key or self.setting) or masking.masked("", value) != value):
            default = "_".join(part for part in (self.setting, key if isinstance(key, str) else "") if part).upper()
            return 'os.environ["%s"]' % ENV_NAMES.get((self.setting, key), default)
        return repr(value)


def _laid_out(node, depth, before=0):
    if isinstance(node, str):
        return node
    opening, parts, closing = node
    flat = opening + ", ".join(prefix + _laid_out(part, depth) for prefix, part in parts) + closing
    if "\n" not in flat and len(flat) + before + 4 * depth <= WIDTH:
        return flat
    pad = "    " * (depth + 1)
    lines = [pad + prefix + _laid_out(part, depth + 1, len(prefix)) + "," for prefix, part in parts if prefix or part]
    return "\n".join([opening, *lines, "    " * depth + closing])
