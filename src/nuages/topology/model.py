"""What the user declares in nuages.toml; with none, everything has its default: this machine, no domain, no TLS."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Silence:
    """A check id that the user has decided about, and why."""

    id: str
    reason: str


@dataclass(frozen=True)
class Tls:
    """Declared TLS: until it is, nothing redirects, no cookie is `secure`, no HSTS is sent."""

    enabled: bool = False
    hsts_seconds: int = 0
    include_subdomains: bool = False
    preload: bool = False


@dataclass(frozen=True)
class Health:
    """The gate's question: a path, the statuses that count as well (as in "2xx,3xx"), seconds to answer."""

    path: str = "/"
    expect: str = "2xx,3xx,401,403,404"
    within: float = 60


@dataclass(frozen=True)
class Migrations:
    """`policy`: safe (stop at unsafe ones), maintenance (run them behind the maintenance page), manual, any."""

    policy: str = "safe"
    lock_timeout: float = 3
    snapshot: str = "when-unsafe"


@dataclass(frozen=True)
class Topology:
    """The declared shape of one site. `root` is the folder of the project (where nuages.toml is or would be)."""

    root: Path
    name: str
    domains: tuple[str, ...] = ()
    port: int = 0  # 0: the first free one from 8000 on, then kept
    bind: str = "127.0.0.1"
    settings: str = ""
    manage: str = ""
    wsgi: str = ""
    asgi: str = ""
    interface: str = ""  # "" (detected), wsgi or asgi
    python: str = ""
    requirements: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()  # requirement lines beside the project's own
    build: tuple[str, ...] = ()
    server: str = "gunicorn"
    supervisor: str = "embedded"
    processes: Mapping[str, str] = field(default_factory=dict)  # name -> command, over the Procfile's
    scale: Mapping[str, int] = field(default_factory=dict)
    threads: int = 0
    keep: int = 5
    drain: float = 30
    log_format: str = "text"
    health: Health = Health()
    tls: Tls = Tls()
    trusted_proxies: tuple[str, ...] = ()
    migrations: Migrations = Migrations()
    silenced: tuple[Silence, ...] = ()
    overrides: Mapping[str, Any] = field(default_factory=dict)  # [settings]: written over everything of ours
    leave: tuple[str, ...] = ()  # settings that the overlay must leave as the project has them
    writable: tuple[str, ...] = ()  # paths under the project that the site writes and that survive releases
    declared: bool = False  # is there a nuages.toml?
