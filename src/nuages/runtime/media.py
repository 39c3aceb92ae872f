"""Uploaded files: strangers wrote them, so nothing in them may run in this site's origin."""

from __future__ import annotations

import mimetypes
import os
import re
import stat
from email.utils import formatdate, parsedate_to_datetime
from urllib.parse import quote

from nuages_runtime.response import Response
from nuages_runtime.site_urls import has_own_view, has_routes_below


INLINE = re.compile(r"(image/(?!svg)[\w.+-]+|audio/[\w.+-]+|video/[\w.+-]+|font/[\w.+-]+|text/plain|application/pdf)\Z")
RANGE = re.compile(r"bytes=(\d*)-(\d*)\Z")
SANDBOX = "default-src 'none'; style-src 'unsafe-inline'; sandbox"


class Media:
    def __init__(self, root, prefix):
        self.root = os.path.realpath(root) + os.sep
        self.prefix = prefix
        self.passes_on = None  # known at the first request, when URLs may be resolved
        self.partly = False

    def answer(self, method, path, environ):
        if method not in ("GET", "HEAD") or self._is_projects_own(path):
            return None
        file = self.open(path[len(self.prefix) :])
        return None if file is None else respond(method, path, environ, file)

    def _is_projects_own(self, path):
        """The folder as a whole is (`passes_on`), or the project has views for parts of it (`partly`) and one answers here."""
        if self.passes_on is None:
            self.partly = has_routes_below(self.prefix)
            self.passes_on = self.partly and has_own_view(self.prefix)
        return self.passes_on or (self.partly and has_own_view(self.prefix, path))

    def open(self, relative):
        """A regular file inside the root, wherever links point to; nothing whose name begins with a dot."""
        parts = relative.split("/")
        if "\0" in relative or any(part == "" or part.startswith(".") for part in parts):
            return None
        full = os.path.realpath(os.path.join(self.root, *parts))
        if not full.startswith(self.root):
            return None
        try:
            fd = os.open(full, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except (OSError, ValueError):
            return None
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            return None
        return os.fdopen(fd, "rb", 0)


def respond(method, path, environ, file):
    info = os.fstat(file.fileno())
    etag = '"%x-%x"' % (info.st_mtime_ns, info.st_size)
    common = [("ETag", etag), ("Last-Modified", formatdate(info.st_mtime, usegmt=True)), ("Accept-Ranges", "bytes")]
    common += [("Cache-Control", "public, max-age=60"), *safe_headers(path)]
    if is_unchanged(environ, etag, info.st_mtime):
        file.close()
        return Response(304, common, b"", None)
    span = wanted_span(environ, etag, info)
    if span is None:
        status, first, length = 200, 0, info.st_size
    elif span == ():
        file.close()
        return Response(416, [("Content-Range", "bytes */%d" % info.st_size), ("Content-Length", "0")], b"", None)
    else:
        status, first, length = 206, span[0], span[1] - span[0] + 1
        common.append(("Content-Range", "bytes %d-%d/%d" % (span[0], span[1], info.st_size)))
    common.append(("Content-Length", str(length)))
    if method == "HEAD":
        file.close()
        return Response(status, common, b"", None)
    file.seek(first)
    return Response(status, common, b"", file if first + length == info.st_size else Part(file, length))


def safe_headers(path):
    name = path.rpartition("/")[2]
    kind, encoding = mimetypes.guess_type(name)
    if kind is None or encoding:
        kind = "application/octet-stream"
    headers = [("Content-Type", kind + ("; charset=utf-8" if kind.startswith("text/") else ""))]
    headers.append(("X-Content-Type-Options", "nosniff"))
    if not INLINE.match(kind):
        headers.append(("Content-Disposition", "attachment; filename*=UTF-8''" + quote(name, safe="")))
    if kind != "application/pdf":  # browsers refuse to show a sandboxed PDF
        headers.append(("Content-Security-Policy", SANDBOX))
    return headers


def is_unchanged(environ, etag, modified):
    tags = environ.get("HTTP_IF_NONE_MATCH")
    if tags is not None:
        return tags.strip() == "*" or etag in [tag.strip().replace("W/", "") for tag in tags.split(",")]
    try:
        since = parsedate_to_datetime(environ["HTTP_IF_MODIFIED_SINCE"]).timestamp()
    except (KeyError, TypeError, ValueError, IndexError):
        return False
    return int(modified) <= since


def wanted_span(environ, etag, info):
    """(first, last) of a satisfiable range, () of an unsatisfiable one, None for the whole file (several ranges too)."""
    match = RANGE.match(environ.get("HTTP_RANGE", "").replace(" ", ""))
    condition = environ.get("HTTP_IF_RANGE")
    if match is None or match.group(0) == "bytes=-":
        return None
    if condition is not None and condition not in (etag, formatdate(info.st_mtime, usegmt=True)):
        return None
    first, last = match.groups()
    if not first:
        count = min(int(last), info.st_size)
        return (info.st_size - count, info.st_size - 1) if count else ()
    start = int(first)
    end = min(int(last), info.st_size - 1) if last else info.st_size - 1
    if last and int(last) < start:
        return None
    return (start, end) if start < info.st_size else ()


class Part:
    """A file that ends early. Without fileno: a server's sendfile would go on to the end of the file."""

    def __init__(self, file, length):
        self.file = file
        self.left = length

    def read(self, size=-1):
        data = self.file.read(self.left if size < 0 else min(size, self.left))
        self.left -= len(data)
        return data

    def close(self):
        self.file.close()


def from_settings(policy):
    from django.conf import settings
    from django.core.files.storage import FileSystemStorage
    from nuages_runtime.site_urls import local_path, storage_class

    root = settings.MEDIA_ROOT or policy.get("media_root")
    prefix = local_path(settings.MEDIA_URL, policy)
    if not root or not prefix:
        return None
    try:
        kind = storage_class("default", "DEFAULT_FILE_STORAGE")
    except Exception:
        return None
    return Media(root, prefix) if kind is None or issubclass(kind, FileSystemStorage) else None
