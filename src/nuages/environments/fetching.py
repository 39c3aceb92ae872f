"""One file from an index: with the user's proxy, certificates and credentials, checked by its digest."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.client
import netrc
import os
import re
import secrets
import ssl
import time
import tomllib
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

from nuages.environments.wishes import mask
from nuages.errors import EnvironmentBuildError
from nuages.secret import Secret


TRIES = 3
PATIENCE = 60  # seconds without a byte
BLOCK = 1 << 18


@dataclass(frozen=True)
class Fetched:
    path: Path
    sha256: str


def fetch(url: str, sha256: str, folder: Path, indexes: Mapping[str, str | Secret]) -> Fetched:
    """Into `folder`, named by its digest. `sha256` "" (an index that tells none) takes what comes.

    `indexes` are UV_INDEX and the like, whose passwords count for files of the same host.
    """
    partial = folder / f"{secrets.token_hex(6)}.partial"
    try:
        found = _patiently(url, partial, indexes)
        if sha256 and found != sha256:
            what = f"{_file(url)} is not the file that the lock names"
            detail = f"sha256 is {found}, and should be {sha256}"
            raise EnvironmentBuildError(
                what, where=mask(url), detail=detail, hint="ask who runs the index; nothing was installed"
            )
        partial.replace(folder / found)
    finally:
        partial.unlink(missing_ok=True)
    return Fetched(folder / found, found)


def _patiently(url: str, partial: Path, indexes: Mapping[str, str | Secret]) -> str:
    attempt = 1
    while True:
        try:
            return _write(url, partial, indexes)
        except (OSError, http.client.HTTPException) as error:
            if isinstance(error, urllib.error.HTTPError):
                error.close()
            if attempt == TRIES or _is_final(error):
                raise _unreachable(url, error) from error
        time.sleep(attempt)
        attempt += 1


def _write(url: str, partial: Path, indexes: Mapping[str, str | Secret]) -> str:
    total = hashlib.sha256()
    with _open(url, indexes) as answer, partial.open("wb") as file:
        while block := answer.read(BLOCK):
            total.update(block)
            file.write(block)
    return total.hexdigest()


def _open(url: str, indexes: Mapping[str, str | Secret]) -> BinaryIO:
    parts = urlsplit(url)
    if parts.scheme == "file":
        return open(unquote(parts.path), "rb")
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    request = urllib.request.Request(bare, headers={"User-Agent": "nuages"})  # noqa: S310
    found = credentials(url, indexes)
    if found:
        request.add_unredirected_header("Authorization", "Basic " + base64.b64encode(found.encode()).decode())
    opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=_trust()))
    return opener.open(request, timeout=PATIENCE)  # type: ignore[no-any-return]


def _trust() -> ssl.SSLContext:
    """The system's store of certificates, as uv has it with SSL_CERT_FILE; a Mac's Python has none of its own."""
    import truststore

    return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def credentials(url: str, indexes: Mapping[str, str | Secret]) -> str:
    """`name:password` for a host: in the URL, of an index on the same host, else of ~/.netrc."""
    host = urlsplit(url).netloc.rpartition("@")[2]
    for each in (url, *index_urls(indexes)):
        parts = urlsplit(each)
        if parts.username and parts.netloc.rpartition("@")[2] == host:
            return f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    try:
        found = netrc.netrc(os.environ.get("NETRC") or None).authenticators(urlsplit(url).hostname or "")
    except (OSError, netrc.NetrcParseError):
        return ""
    return f"{found[0]}:{found[2]}" if found else ""


def index_urls(indexes: Mapping[str, str | Secret]) -> Iterable[str]:
    """Of this lock and of the user's own environment; a named one (`corp=https://...`) may have its name and password apart."""
    own = {k: v for k, v in os.environ.items() if k.startswith("UV_")}
    for name in ("UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL"):
        for values in (indexes, own):
            value = values.get(name, "")
            for each in (value.reveal() if isinstance(value, Secret) else value).split():
                label, _, url = each.partition("=") if re.match(r"[\w.-]+=https?:", each) else ("", "", each)
                yield _with_login(url, label, own)
    for label, url in _configured(own):
        yield _with_login(url, label, own)


def _configured(own: Mapping[str, str]) -> Iterable[tuple[str, str]]:
    """(name, url) of uv's own configuration files: the user's and the system's."""
    base = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    for path in (own.get("UV_CONFIG_FILE", ""), f"{base}/uv/uv.toml", "/etc/uv/uv.toml"):
        with contextlib.suppress(OSError, ValueError):
            table = tomllib.loads(Path(path).read_text("utf-8"))
            for entry in table.get("index", ()):
                yield str(entry.get("name", "")), str(entry["url"])
            for url in (table.get("index-url", ""), *table.get("extra-index-url", ())):
                yield "", str(url)


def _with_login(url: str, label: str, own: Mapping[str, str]) -> str:
    stem = f"UV_INDEX_{re.sub(r'[^A-Z0-9]', '_', label.upper())}_"
    user, password = own.get(stem + "USERNAME", ""), own.get(stem + "PASSWORD", "")
    parts = urlsplit(url)
    if not label or not (user or password) or parts.username:
        return url
    from urllib.parse import quote

    return parts._replace(netloc=f"{quote(user, '')}:{quote(password, '')}@{parts.netloc}").geturl()


def _is_final(error: Exception) -> bool:
    """Asking again would not help."""
    return isinstance(error, FileNotFoundError) or (isinstance(error, urllib.error.HTTPError) and error.code < 500)  # noqa: PLR2004


def _unreachable(url: str, error: Exception) -> EnvironmentBuildError:
    if isinstance(error, OSError) and error.errno == 28:  # noqa: PLR2004
        return EnvironmentBuildError("the disk is full", where=_file(url), hint="free some space and run the same command again")
    denied = isinstance(error, urllib.error.HTTPError) and error.code in (401, 403)
    hint = (
        "give its name and password in UV_INDEX or in ~/.netrc"
        if denied
        else "is this machine online? A mirror: UV_DEFAULT_INDEX=https://...; behind a proxy: HTTPS_PROXY=..."
    )
    return EnvironmentBuildError(f"can't fetch {_file(url)}", where=mask(url), detail=mask(str(error)), hint=hint)


def _file(url: str) -> str:
    return unquote(urlsplit(url).path.rsplit("/", 1)[-1])
