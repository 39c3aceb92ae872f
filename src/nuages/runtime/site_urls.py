"""Which URLs are files of ours, by the project's settings in force."""

from __future__ import annotations

from urllib.parse import urlsplit


def local_path(url, policy):
    """The path part of STATIC_URL or MEDIA_URL where it is a folder of this site; '/' would swallow the project."""
    parts = urlsplit(str(url or ""))
    if parts.netloc and parts.hostname not in (policy.get("domains") or ()):
        return None
    path = parts.path if parts.path.startswith("/") else "/" + parts.path
    path = path if path.endswith("/") else path + "/"
    return None if path.strip("/") == "" else path


def storage_class(alias, older_setting):
    """The class behind a storage alias, in Django before and after STORAGES (4.2)."""
    from django.conf import settings
    from django.utils.module_loading import import_string

    storages = getattr(settings, "STORAGES", None)
    backend = (storages or {}).get(alias, {}).get("BACKEND") or getattr(settings, older_setting, None)
    return import_string(backend) if backend else None


def has_own_view(prefix, path=""):
    """Whether the project's URLs answer this folder (or `path` in it) themselves (protected downloads), not by a catch-all.

    Django's own development view does not count: it is the reason why we serve the folder.
    """
    from django.urls import resolve

    try:
        match = resolve(path or prefix + "nuages-probe")
    except Exception:
        return False
    route = getattr(match, "route", "").lstrip("^/").replace("\\", "")
    own = route.startswith(prefix.strip("/"))
    return own and getattr(match.func, "__module__", "") != "django.views.static"


def has_routes_below(prefix):
    """Whether any URL of the project begins with this folder: a part of it may be protected, and only the project knows which."""
    from django.urls import get_resolver

    try:
        return any(_begins(route, prefix) for route in _routes(get_resolver(), "", 0))
    except Exception:
        return True


def _begins(route, prefix):
    return route.startswith(prefix.strip("/"))


def _routes(resolver, before, depth):
    for entry in resolver.url_patterns if depth < 20 else ():
        route = before + str(entry.pattern).replace("\\", "").lstrip("^")
        if hasattr(entry, "url_patterns"):
            yield from _routes(entry, route, depth + 1)
        elif getattr(entry.callback, "__module__", "") != "django.views.static":
            yield route
