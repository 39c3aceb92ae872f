"""What a component may know and what it may say. A component describes; only engine.apply has hands.

On this machine without root a component says which processes it is (`ProcessSpec`). On a server it says what should lie
on the host (`Description`): packages, accounts, folders, files, units, actions. The engine compares that with what is
there and with what it wrote before (the ledger), and makes steps of the difference.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nuages.hosts.command import Command
from nuages.release.build import Build
from nuages.release.layout import Layout
from nuages.secret import Secret
from nuages.topology.model import HERE, Host, Topology


@dataclass(frozen=True)
class Machine:
    """What a host can carry, as limited by its cgroups. `memory` in bytes, 0 when unknown."""

    cores: int = 1
    memory: int = 0
    python: str = ""  # path of an interpreter for our stdlib-only programs
    python_version: str = ""
    pythons: Mapping[str, str] = field(default_factory=dict)  # others that a project may run on: path -> exact version
    os: str = ""  # ID of os-release(5): debian, ubuntu; "" where it is not known
    os_version: str = ""  # VERSION_ID: 13, 12, 24.04
    arch: str = ""  # uname -m: x86_64, aarch64
    libc: str = ""  # "glibc 2.41" or "musl 1.2"
    ssh_port: int = 22  # that sshd listens on
    facts: Mapping[str, Any] = field(default_factory=dict, repr=False)  # the agent's answer to `base`, see components.base.facts


@dataclass(frozen=True)
class Placement:
    """One component on one host with all it may know."""

    topology: Topology
    layout: Layout
    build: Build
    machine: Machine
    policy: Mapping[str, Any]
    env: Mapping[str, str | Secret] = field(repr=False)
    scale: Mapping[str, int] = field(default_factory=dict)
    number: int = 0
    host: Host = HERE
    account: str = ""  # the user that the site's processes run as; "" on this machine: whoever runs nuages

    @property
    def manifest(self) -> Mapping[str, Any]:
        return self.build.manifest

    @property
    def python(self) -> str:
        return f"{self.manifest['environment']}/bin/python"


@dataclass(frozen=True)
class ProcessSpec:
    """A process for the supervisor. `socket`: it gets the listening socket; `proof`: it proves itself before it accepts."""

    name: str
    kind: str
    argv: tuple[str, ...]
    env: Mapping[str, str | Secret] = field(repr=False)
    cwd: str
    log: str
    instances: int = 1
    socket: bool = False
    proof: bool = False
    workers: int = 1
    drain: float = 30
    start_timeout: float = 60

    def as_spec(self) -> dict[str, Any]:
        """For the generation's 0600 file, where secrets are written out."""
        env = {k: v.reveal() if isinstance(v, Secret) else v for k, v in self.env.items()}
        return {
            **{k: getattr(self, k) for k in self.__dataclass_fields__ if k != "env"},
            "argv": list(self.argv),
            "env": env,
        }


@dataclass(frozen=True)
class Certificate:
    """Where a server that speaks TLS finds its chain and key, or why there is none (`note`). `kind` as in `tls.certificate`.

    `ready`: a pair that fits lies there already; until then the site is served over http.
    """

    kind: str = "none"
    ready: bool = False
    chain: str = ""
    key: str = ""
    note: str = ""


# --- what should lie on a server -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Account:
    """A system user with a group of the same name (useradd(8)). `groups` are further ones it is put into."""

    name: str
    comment: str  # the GECOS field: says whose it is, and that we made it
    home: str = "/nonexistent"
    shell: str = "/usr/sbin/nologin"
    groups: tuple[str, ...] = ()


@dataclass(frozen=True)
class Directory:
    path: str
    mode: int = 0o755
    owner: str = "root"
    group: str = "root"


@dataclass(frozen=True)
class File:
    """A whole file. A file of ours says in its head who wrote it and what to edit instead (`components.templating.head`).

    `once`: written where nothing lies, and never compared again (keys, a database's password).
    """

    path: str
    content: str | Secret = field(repr=False)
    mode: int = 0o644
    owner: str = "root"
    group: str = "root"
    once: bool = False


@dataclass(frozen=True)
class Link:
    path: str
    target: str


@dataclass(frozen=True)
class Unit:
    """A unit of systemd. `reload`: after a change of `on` (paths of files above) it is reloaded, else restarted.

    `enabled`: comes up at boot. `running`: should be active now. None leaves either as it is (timers of a template, say).
    A unit may be named twice: reloaded for some files, restarted for others; where both changed, the restart is enough.
    `interrupts` is what a restart of a running unit takes away meanwhile; the plan shows such a step as "!".
    `of_package`: leave the unit alone unless it was us who installed that package (its service that nobody asked for).
    """

    name: str
    enabled: bool | None = True
    running: bool | None = True
    reload: bool = False
    on: tuple[str, ...] = ()
    interrupts: str = ""
    of_package: str = ""


@dataclass(frozen=True)
class Action:
    """A command that makes a thing which no file describes: a database role, a certificate, a swap file.

    `unless` ends with 0 where it is there already. Once done it is remembered in the ledger under `key`, and is not
    asked again on every deploy; another `key` (take a digest of what it depends on into it) is another action.
    `erases`: its undo deletes data, and is left out wherever `destroy` keeps data. `missing`: this round of reads has
    shown that what it makes is not there; it is done whatever the ledger says.
    """

    key: str
    what: str  # as the plan says it
    why: str
    command: Command
    unless: Command | None = None
    undo: Command | None = None  # how `destroy` takes it back
    user: str = "root"
    erases: bool = False
    missing: bool = False


@dataclass(frozen=True)
class Conflict:
    """Something of others that stands where ours should. `found` is asked in the round of reads, and ends with 0 where
    it is so; then the plan stops before the first write. It may fail where its program is not installed yet: no conflict.
    """

    what: str
    hint: str
    found: Command
    user: str = "root"


@dataclass(frozen=True)
class Port:
    """What the firewall lets in. `source`: "" everybody, else a network in CIDR form."""

    number: int
    protocol: str = "tcp"
    source: str = ""
    what: str = ""


@dataclass(frozen=True)
class Description:
    """What one component wants of one host. Steps follow in the order of the fields.

    `scope` host: shared by all sites of the host, and a change of it needs consent where the host serves others.
    `verify` is asked after files were written and before a unit is reloaded; where it fails the files are put back.
    `exports` go into the environment of the site's processes, below what the user has set.
    `guard`: a change may lock us out; it undoes itself unless a fresh login confirms it.
    `early`: its files are written before any package comes, since some package reads them while it is installed.
    """

    name: str
    what: str  # one line for people: "nginx serves shop.example"
    scope: str = "site"
    packages: tuple[str, ...] = ()
    accounts: tuple[Account, ...] = ()
    directories: tuple[Directory, ...] = ()
    files: tuple[File, ...] = ()
    links: tuple[Link, ...] = ()
    absent: tuple[str, ...] = ()  # paths that packages bring and that must not be (nginx's default site)
    verify: Command | None = None
    units: tuple[Unit, ...] = ()
    actions: tuple[Action, ...] = ()
    exports: Mapping[str, str | Secret] = field(default_factory=dict, repr=False)
    ports: tuple[Port, ...] = ()
    guard: bool = False
    early: bool = False
    conflicts: tuple[Conflict, ...] = ()
