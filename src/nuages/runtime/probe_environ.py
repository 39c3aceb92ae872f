"""Which environment variables the project reads, by what default, and where.

The class of `os.environ` is patched, not the object: `from os import environ`, `os.getenv`, django-environ, decouple
and environs all hold the same object and end in the same methods.
"""

from __future__ import annotations

import os
import re
import sys


# Readers between the project's line and os.environ: they are looked through, everything else is somebody else's read.
READERS = (
    "os", "_collections_abc", "collections.abc", "functools", "contextlib", "typing", "inspect", "nuages_runtime",
    "environ", "decouple", "environs", "dj_database_url", "dj_email_url", "dj_search_url", "dj_inmemorystorage",
    "django_cache_url", "configurations", "dynaconf", "dotenv", "prettyconf", "everett", "starlette", "pydantic",
    "pydantic_settings", "envparse", "goodconf", "getconf", "django12factor", "marshmallow", "typed_settings",
)  # fmt: skip
SECRET = re.compile(r"SECRET|PASSW|TOKEN|KEY|CREDENTIAL|DSN|_URL$", re.IGNORECASE)
NOTHING = object()
OURS = ("NUAGES_", "PYTHON", "DJANGO_SETTINGS_MODULE", "LC_", "LANG")


class Recorder:
    def __init__(self, root):
        self.root = os.path.join(os.path.realpath(root), "")
        self.seen = {}
        self.kept = {}

    def install(self):
        recorder, kind = self, type(os.environ)
        self.kept = {name: kind.__dict__.get(name) for name in ("__getitem__", "__contains__", "get")}
        getitem = kind.__getitem__
        contains = kind.__contains__

        def recorded_getitem(self, key):
            try:
                value = getitem(self, key)
            except KeyError:
                recorder.record(key, NOTHING, False)
                raise
            recorder.record(key, NOTHING, True)
            return value

        def recorded_contains(self, key):
            found = contains(self, key)
            recorder.record(key, NOTHING, found, looked=True)
            return found

        def recorded_get(self, key, default=None):
            try:
                value = getitem(self, key)
            except KeyError:
                recorder.record(key, default, False)
                return default
            recorder.record(key, default, True)
            return value

        kind.__getitem__, kind.__contains__, kind.get = recorded_getitem, recorded_contains, recorded_get

    def uninstall(self):
        kind = type(os.environ)
        for name, method in self.kept.items():
            if method is None:
                delattr(kind, name)
            else:
                setattr(kind, name, method)

    def record(self, key, default, found, looked=False):
        if not isinstance(key, str) or key.startswith(OURS):
            return
        try:
            where = self.reader(sys._getframe(2))
        except Exception:
            return
        if not where:
            return
        entry = self.seen.setdefault(
            key,
            {
                "name": key,
                "default": None,
                "has_default": False,
                "found": found,
                "where": where,
                "lines": set(),
            },
        )
        entry["found"] = entry["found"] or found
        entry["lines"].add(where)
        if default is not NOTHING and not entry["has_default"]:
            entry.update(default=default, has_default=default not in (None, ""))
        if not looked:
            entry["read"] = True

    def reader(self, frame):
        """The project's file:line that asks, or "" when a library asks for its own purposes."""
        asking = frame
        for _ in range(40):
            if frame is None:
                return ""
            path = os.path.realpath(frame.f_code.co_filename)
            if not frame.f_code.co_filename.startswith("<") and path.startswith(self.root) and "site-packages" not in path:
                return "%s:%d" % (path[len(self.root) :], frame.f_lineno)
            if frame.f_globals.get("__name__", "").split(".")[0] not in READERS:
                return declared(asking)
            frame = frame.f_back
        return ""

    def unset_at(self, where):
        """Names that were asked for on this line and came back empty-handed."""
        return [e["name"] for e in self.seen.values() if not e["found"] and not e["has_default"] and where in e["lines"]]

    def without_default(self):
        return [e["name"] for e in self.seen.values() if not e["found"] and not e["has_default"]]

    def unset(self):
        return [e["name"] for e in self.seen.values() if not e["found"]]

    def reads(self):
        keys = ("name", "default", "has_default", "found", "where")
        return [
            dict(((key, entry[key]) for key in keys), default=shown(entry["name"], entry["default"]))
            for entry in self.seen.values()
        ]


def declared(frame):
    """django-configurations reads what a class declares when the settings module has run: no line of it asks."""
    if frame.f_globals.get("__name__") != "configurations.values":
        return ""
    return os.environ.get("DJANGO_SETTINGS_MODULE", "").replace(".", "/") + ".py"


def shown(name, default):
    if isinstance(default, str) and default and SECRET.search(name):
        return "***"
    return default if default is None or isinstance(default, (str, int, float, bool)) else str(default)
