"""The site's own page of Nuages, where `[dashboard] path` asks for it: read by superusers of the site's admin, unknown to
everybody else. It shows what root writes down on this host (pageside/snapshot.py); it changes nothing and asks nobody.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
from http.cookies import CookieError, SimpleCookie

from nuages_runtime.response import of_bytes


FILES = {
    "": ("index.html", "text/html; charset=utf-8"),
    "page.css": ("page.css", "text/css; charset=utf-8"),
    "page.js": ("page.js", "text/javascript; charset=utf-8"),
    "charts.js": ("charts.js", "text/javascript; charset=utf-8"),
    "icon.svg": ("icon.svg", "image/svg+xml"),
}
HEADERS = (
    (
        "Content-Security-Policy",
        (
            "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        ),
    ),
    ("X-Frame-Options", "DENY"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cache-Control", "no-store"),
    ("Vary", "Cookie"),
)


class Page:
    def __init__(self, path, file, allowed=None):
        self.prefix = path
        self.file = file
        self.allowed = allowed or of_a_superuser

    def answer(self, method, path, environ):
        """A Response; None, so that the project answers as if there were nothing here, for whoever is no superuser."""
        name = path[len(self.prefix) :]
        if method not in ("GET", "HEAD") or not (name in FILES or name == "facts.json"):
            return None
        if environ.get("HTTP_SEC_FETCH_SITE", "same-origin") not in ("same-origin", "none") and name:
            return None
        if not self.allowed(environ.get("HTTP_COOKIE", "")):
            return None
        if name == "facts.json":
            return of_bytes(200, "application/json", self.facts(), HEADERS, method)
        file, kind = FILES[name]
        with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "dashboard", file), "rb") as source:
            return of_bytes(200, kind, source.read(), HEADERS, method)

    def facts(self):
        try:
            with open(self.file, encoding="utf-8") as source:
                known = json.load(source)
        except (OSError, ValueError):
            known = {"site": "", "state": "unknown", "verdict": "unknown", "at": 0}
            known["attention"] = [{"level": "bad", "what": "this host has not written down yet how it stands", "hint": ""}]
        return json.dumps(dict(known, readonly=True)).encode()


def of_a_superuser(header):
    """Is this the cookie of somebody who is logged in, active and a superuser? Whatever goes wrong: no."""
    from django.db import close_old_connections

    try:
        close_old_connections()
        user = logged_in(header)
        return bool(user and user.is_active and user.is_superuser)
    except Exception:
        return False
    finally:
        with contextlib.suppress(Exception):
            close_old_connections()


def logged_in(header):
    """As Django's own middleware finds it, without a word to the session: reading this page must log nobody out."""
    from django.conf import settings
    from django.contrib.auth import get_user

    try:
        cookie = SimpleCookie(header).get(settings.SESSION_COOKIE_NAME)
    except CookieError:
        return None
    if cookie is None or not cookie.value:
        return None
    store = importlib.import_module(settings.SESSION_ENGINE).SessionStore(cookie.value)
    request = _Asked()
    request.session = _Read(store.load() or {})
    return get_user(request)


class _Asked:
    META = {}


class _Read(dict):
    """A session that is looked at only: Django renews or empties those that an older key signed."""

    def cycle_key(self):
        pass

    def flush(self):
        self.clear()


def from_policy(policy):
    wish = policy.get("dashboard") or {}
    return Page(wish["path"], wish["file"]) if wish.get("path") and wish.get("file") else None
