"""Static files from the union of all kept releases, found when they are asked for.

No scan at the start: a worker boots as fast with ten thousand files as with ten, and a page rendered by a newer
release finds its files in an older worker. WhiteNoise does the HTTP; only where it looks is ours.
"""

from __future__ import annotations

import os
import re

from nuages_runtime.response import Response
from whitenoise import WhiteNoise


MOST = 20000  # remembered files
HASHED = re.compile(r".*\.[0-9a-f]{12,64}\.[^/]+\Z", re.DOTALL)


class StaticFiles(WhiteNoise):
    def __init__(self, root, prefix):
        super().__init__(None, max_age=60, immutable_file_test=is_immutable)
        self.root = os.path.realpath(root) + os.sep
        self.prefix = prefix
        self.found = {}

    def answer(self, method, path, environ):
        if method not in ("GET", "HEAD"):
            return None
        file = self.find(path)
        if file is None:
            return None
        try:
            made = file.get_response(method, environ)
        except OSError:  # retention took it away since
            self.found.pop(path, None)
            return None
        return Response(int(made.status), list(made.headers), b"", made.file)

    def find(self, path):
        """A hashed name never changes; any other may be replaced by the next release while we remember it."""
        known = self.found.get(path)
        if known is not None and (known[0] is None or known[0] == _stamp(known[1])):
            return known[2]
        return self.look(path)

    def look(self, path):
        relative = path[len(self.prefix) :]
        if not relative or "\0" in path or path.endswith("/") or os.path.normpath(relative) != relative:
            return None
        full = os.path.realpath(os.path.join(self.root, relative))
        if not full.startswith(self.root) or not os.path.isfile(full):
            return None
        stamp = None if is_immutable(full, path) else _stamp(full)
        file = self.get_static_file(full, path)
        if len(self.found) >= MOST:
            self.found.clear()
        self.found[path] = (stamp, full, file)
        return file


def is_immutable(path, url):
    return HASHED.match(url) is not None


def _stamp(path):
    try:
        info = os.stat(path)
    except OSError:
        return ()
    return info.st_mtime_ns, info.st_size, info.st_ino


def from_settings(policy):
    """None where static files live elsewhere: another host, a remote storage, no app for them."""
    from django.conf import settings
    from nuages_runtime.site_urls import local_path, storage_class

    root = policy.get("static_serve") or policy.get("static_root") or getattr(settings, "STATIC_ROOT", None)
    prefix = local_path(getattr(settings, "STATIC_URL", None), policy)
    if not root or not prefix:
        return None
    try:
        from django.contrib.staticfiles.storage import StaticFilesStorage

        kind = storage_class("staticfiles", "STATICFILES_STORAGE")
    except Exception:
        return None
    return StaticFiles(root, prefix) if kind is None or issubclass(kind, StaticFilesStorage) else None
