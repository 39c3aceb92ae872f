"""Which URLs a proxy answers from files, by the project's facts. The rules are those of runtime/site_urls.py."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit


FROM_ROOT = ("favicon.ico", "robots.txt")


def local_path(url: Any, domains: Iterable[str]) -> str:
    """The folder of STATIC_URL or MEDIA_URL on this site, with slashes at both ends; "" where it is elsewhere, or the root."""
    parts = urlsplit(str(url or ""))
    if parts.netloc and parts.hostname not in tuple(domains):
        return ""
    path = "/" + parts.path.strip("/") + "/"
    return "" if path == "//" or not _is_plain(path) else path


def _is_plain(path: str) -> bool:
    """Goes into the configuration of a program as it is: nothing that would mean something there."""
    return all(c.isalnum() or c in "/._~-@+" for c in path) and path.isascii()


def media_path(facts: Mapping[str, Any], domains: Iterable[str]) -> str:
    """The folder of uploads that anybody may see. Where the project has views in it, or nobody has looked, only the project knows."""
    media = facts.get("media") or {}
    return local_path(media.get("url"), domains) if media.get("own_view") is False else ""


def asked_of_the_project(facts: Mapping[str, Any]) -> dict[str, bool]:
    """favicon.ico and robots.txt: asked where no file is, unless it is known that neither a route nor a fallback answers."""
    urls = facts.get("urls") or {}
    fallback = any("fallback" in str(name).lower() for name in facts.get("middleware") or ())
    return {name: urls.get(name.partition(".")[0]) is not False or fallback for name in FROM_ROOT}
