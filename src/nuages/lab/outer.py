"""What this machine fetches packages with, for the hosts to do the same (pure: text in, text out).

A host that knew only the public registries would find nothing behind a mirror, a proxy or a company's own
certificates. Passwords for a mirror (apt's auth.conf, a netrc) are not copied.
"""

from __future__ import annotations

import configparser
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass


MIRROR, SECURITY = "http://deb.debian.org/debian", "http://deb.debian.org/debian-security"
SUITES = {"13": "trixie", "12": "bookworm"}
APT_LINE = re.compile(r'^(Acquire::(?:https?|ftp|Retries|Check-[\w-]+|Languages|ForceIPv[46]|Queue-Mode)\b[\w:.-]*) "(.*)";$')
ONE_LINE = re.compile(r"^deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)\s")
PIP_KEYS = ("index-url", "extra-index-url", "trusted-host", "proxy", "timeout", "cert")
PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE")
UV_KEYS = ("UV_INDEX_URL", "UV_DEFAULT_INDEX", "UV_EXTRA_INDEX_URL", "UV_INDEX")


@dataclass(frozen=True)
class Mirrors:
    main: str = MIRROR
    security: str = SECURITY


def mirrors(sources: Iterable[str]) -> Mirrors:
    """Where Debian comes from, by this machine's own sources; the public mirror where it is no Debian."""
    main = security = ""
    for uri, suite in (pair for text in sources for pair in uris(text)):
        if re.search(r"-security|/updates", suite):
            security = security or uri
        elif suite.split("-")[0] in {*SUITES.values(), "bullseye", "forky", "sid", "stable", "testing", "unstable"}:
            main = main or uri
    return Mirrors(main or MIRROR, security or SECURITY)


def uris(text: str) -> list[tuple[str, str]]:
    """(URI, suite) of each entry, in one-line form or deb822."""
    found = [(m[1], m[2]) for line in text.splitlines() if (m := ONE_LINE.match(line))]
    for entry in re.split(r"\n\s*\n", text):
        fields = {k.lower(): v.strip() for k, v in re.findall(r"^(\w[\w-]*):[ \t]*(.*)$", entry, re.MULTILINE)}
        if "deb" in fields.get("types", "").split() and fields.get("enabled", "yes") != "no":
            found += [(uri, suite) for uri in fields.get("uris", "").split() for suite in fields.get("suites", "").split()]
    return [(uri.rstrip("/"), suite) for uri, suite in found if uri.startswith(("http:", "https:"))]


def apt_sources(suite: str, where: Mirrors) -> str:
    key = "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n"
    return (
        f"Types: deb\nURIs: {where.main}\nSuites: {suite} {suite}-updates\nComponents: main\n{key}\n"
        f"Types: deb\nURIs: {where.security}\nSuites: {suite}-security\nComponents: main\n{key}"
    )


def apt_settings(dump: str) -> str:
    """Proxies, retries and the like out of `apt-config dump`."""
    lines = [(m[1], m[2]) for line in dump.splitlines() if (m := APT_LINE.match(line)) and m[2]]
    return "".join(f'{key} "{value}";\n' for key, value in dict.fromkeys(lines))


def pip_settings(files: Iterable[str], environ: Mapping[str, str]) -> str:
    """One pip.conf out of pip's files and variables. What names a folder of this machine has no place in a host."""
    merged: dict[str, str] = {}
    for text in files:
        parser = configparser.RawConfigParser(strict=False)
        parser.read_string(text)
        merged |= {k: v for section in ("global", "install") if parser.has_section(section) for k, v in parser.items(section)}
    merged |= {key: environ[name] for key in PIP_KEYS if (name := "PIP_" + key.upper().replace("-", "_")) in environ}
    lines = [f"{key} = {value}" for key in PIP_KEYS if (value := _elsewhere(merged.get(key, "")))]
    return "\n".join(["[global]", *lines, ""])


def _elsewhere(value: str) -> str:
    """Without the words that name a folder here; certificates are in the image's own bundle."""
    return " ".join(w for w in value.split() if not w.startswith(("file:", "/")) or w.startswith("/etc/ssl/certs"))


def environment(environ: Mapping[str, str]) -> str:
    """/etc/environment of a host: what every program that fetches must know, and no more."""
    kept = {name: environ[name] for name in (*PROXIES, *UV_KEYS) if environ.get(name)}
    kept |= {n: v for n in CERTIFICATES if (v := environ.get(n, "")).startswith("/etc/ssl/certs")}
    return "".join(f"{name}={value}\n" for name, value in kept.items())


def resolvers(text: str) -> str:
    """The name servers that a host can use too: one on this machine's loopback is out of its reach."""
    lines = [line for line in text.splitlines() if not re.match(r"nameserver\s+(127\.|::1)", line)]
    return "\n".join(lines) + "\n"
