"""What the user declares in nuages.toml; with none, everything has its default: this machine, no domain, no TLS."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nuages.topology.backups import Backups
from nuages.topology.dashboard import DashboardPage
from nuages.topology.scrub import Scrub


@dataclass(frozen=True)
class Silence:
    """A check id that the user has decided about, and why."""

    id: str
    reason: str


@dataclass(frozen=True)
class Tls:
    """Declared TLS: until it is, nothing redirects, no cookie is `secure`, no HSTS is sent.

    `certificate`, on servers: acme (from a public authority, once the domain's DNS points to the host), local-ca (our own
    authority, for the lab and private networks), own (`cert_file` and `key_file` on this machine), none.
    """

    enabled: bool = False
    hsts_seconds: int = 0
    include_subdomains: bool = False
    preload: bool = False
    certificate: str = "acme"
    email: str = ""  # of the account at the authority; it writes there before a certificate ends
    acme_server: str = ""  # directory URL (RFC 8555, 7.1.1); "": Let's Encrypt
    acme_ca: str = ""  # PEM file of the authority that signs the ACME server's own HTTPS, for a private one
    cert_file: str = ""
    key_file: str = ""
    hsts_asked: int = 0  # what nuages.toml says, once `hsts_seconds` is what may be sent


@dataclass(frozen=True)
class Host:
    """One server. What is empty is left to ssh_config(5)."""

    name: str
    address: str = ""
    user: str = ""
    port: int = 0
    identity: str = ""
    jump: str = ""
    ssh_config: str = ""  # a configuration file in place of ~/.ssh/config
    addresses: tuple[str, ...] = ()  # its own, as it told at first contact


LONGEST_ACCOUNT = 31
HERE = Host("localhost")


@dataclass(frozen=True)
class Services:
    """Which alternative fills each role on servers; "none" leaves the role to the user."""

    proxy: str = "nginx"
    database: str = "postgresql"
    cache: str = "auto"  # valkey where the system packages it, else redis
    firewall: bool = True
    ssh_hardening: bool = True
    updates: bool = True


@dataclass(frozen=True)
class Cron:
    """A job of the clock: `command` as in a Procfile, `at` as OnCalendar of systemd.time(7) or five fields of crontab(5)."""

    name: str
    command: str
    at: str
    timeout: float = 3600


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
class Smoke:
    """One question of a smoke test: the statuses that count (as in "200" or "2xx,301"), and a text that the page must hold."""

    path: str
    expect: str = "200"
    contains: str = ""

    def __str__(self) -> str:
        return " ".join(filter(None, (self.path, self.expect, f"contains {self.contains}" if self.contains else "")))


@dataclass(frozen=True)
class Pipeline:
    """`tests`: "" (none), "auto" or a command. `smoke` is asked of the new release before it gets traffic, `smoke_live` of
    the site after the switch: where that fails, the release before comes back."""

    tests: str = ""
    tests_within: float = 1800
    tests_database: str = "auto"
    audit: bool = True
    static: bool = True
    smoke: tuple[Smoke, ...] = ()
    smoke_live: tuple[Smoke, ...] = ()


@dataclass(frozen=True)
class Hooks:
    """Commands of the user's, run on this machine in the project's folder."""

    before_build: tuple[str, ...] = ()
    before_migrate: tuple[str, ...] = ()
    after_switch: tuple[str, ...] = ()
    on_failure: tuple[str, ...] = ()
    within: float = 600


@dataclass(frozen=True)
class Notify:
    """`webhook` holds names of variables, for the addresses are secrets; `mail` addresses."""

    webhook: tuple[str, ...] = ()
    mail: tuple[str, ...] = ()
    on: tuple[str, ...] = ("start", "deploy", "rollback", "failure")


@dataclass(frozen=True)
class Errors:
    """Who hears of errors: addresses (none: the project's ADMINS), and the name of a variable that holds a webhook's address."""

    mail: tuple[str, ...] = ()
    webhook: str = ""


@dataclass(frozen=True)
class Topology:
    """The declared shape of one site. `root` is the folder of the project (where nuages.toml is or would be)."""

    root: Path
    name: str
    environment: str = "production"
    environments: tuple[str, ...] = ("production",)  # all that are declared
    protected: bool = False  # changes ask first
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
    server: str = "gunicorn"  # loading fills in what "auto" means
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
    pipeline: Pipeline = Pipeline()
    hooks: Hooks = Hooks()
    notify: Notify = Notify()
    errors: Errors = Errors()
    silenced: tuple[Silence, ...] = ()
    scrub: Scrub = Scrub()
    overrides: Mapping[str, Any] = field(default_factory=dict)  # [settings]: written over everything of ours
    leave: tuple[str, ...] = ()  # settings that the overlay must leave as the project has them
    writable: tuple[str, ...] = ()  # paths under the project that the site writes and that survive releases
    declared: bool = False  # is there a nuages.toml?
    tree: Path | None = None  # a checkout of one commit, to be built in place of what lies in `root`
    hosts: tuple[Host, ...] = ()  # none: this machine, without root
    services: Services = Services()
    backups: Backups = field(default_factory=Backups)
    dashboard: DashboardPage = field(default_factory=DashboardPage)
    cron: tuple[Cron, ...] = ()
    accept: tuple[str, ...] = ()  # host-wide changes agreed to on a server that serves others
    relax: tuple[str, ...] = ()  # named relaxations of the sandbox: jit, node, chrome, home, network-admin
    max_upload: str = "100M"  # the largest request body that the proxy takes
    memory: str = ""  # a bound on the site's memory on each host, as systemd's MemoryMax: "800M"; "": from the machine

    @property
    def source(self) -> Path:
        """The folder whose files are built."""
        return self.tree or self.root

    @property
    def remote(self) -> bool:
        """Does the site live on servers?"""
        return bool(self.hosts)

    @property
    def account(self) -> str:
        """The user that the site's processes run as on a server, and the role of its database. useradd(8) takes 32 characters."""
        if not self.remote:
            return ""
        end = f"-{self.environment}"  # stays whole: a long name is not cut down to production's
        whole = len(self.name) <= LONGEST_ACCOUNT or not self.name.endswith(end)
        return self.name[:LONGEST_ACCOUNT].rstrip("-") if whole else self.name[: LONGEST_ACCOUNT - len(end)].rstrip("-") + end
