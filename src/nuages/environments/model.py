"""Values of this room: what the project asks for, what it was resolved to, and the environment built from that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from nuages.secret import Secret


@dataclass(frozen=True)
class Requirements:
    """Where the project says what it needs. `kind` names the form (uv.lock, requirements.txt, pyproject,
    dependency-group, poetry.lock, poetry, pdm.lock, Pipfile.lock, Pipfile, none)."""

    kind: str
    files: tuple[str, ...] = ()  # relative to the project root
    locked: bool = False  # every version is pinned
    group: str = ""
    extras: tuple[str, ...] = ()
    indexes: tuple[str, ...] = ()  # private or extra indexes, credentials removed
    vcs: tuple[str, ...] = ()  # git+https://... requirements
    notes: tuple[str, ...] = ()  # what was chosen among several, and how to override it
    sources: tuple[str, ...] = ()  # folders of the project's own package, to be on sys.path since it isn't installed ("src")
    folder: str = ""  # where the form was found, relative to the project root
    named: tuple[str, ...] = ()  # the files that nuages.toml names


@dataclass(frozen=True)
class PythonHint:
    """One place that says something about the Python version: `spec` is a PEP 440 specifier (">=3.12", "==3.11.*")."""

    spec: str
    where: str


@dataclass(frozen=True)
class Python:
    """An interpreter on this machine."""

    version: str  # exact: 3.12.1
    path: str
    why: str = ""
    platform: str = ""  # resolved for this platform (a name of uv's); `path` then only reads metadata


@dataclass(frozen=True)
class Target:
    """The Python that an environment is for, on another machine.

    `libc` as "glibc 2.41" or "musl 1.2", `arch` as uname -m says it, `os` for messages: "Debian 13".
    """

    python: str  # exact: 3.13.5
    path: str
    arch: str
    libc: str
    os: str = ""


@dataclass(frozen=True)
class Pin:
    """What one package of a lock is installed from. `sha256` is "" for what has no file: a repository or a folder."""

    name: str
    version: str
    url: str  # https://, file:// or git+https://...@commit; may hold a password
    sha256: str = ""
    size: int = 0
    built: str = ""  # for a folder: the digest of its content

    @property
    def file(self) -> str:
        return unquote(urlsplit(self.url).path.rsplit("/", 1)[-1])

    @property
    def is_wheel(self) -> bool:
        return self.file.endswith(".whl")


@dataclass(frozen=True)
class Piece:
    """A file to ship; `file` is its name as an index has it, and `path` lies in a cache of files by digest.

    A source that only the host can build has a `backend` (PEP 517), the wheels that its build imports, and the system
    packages that it needs beside a compiler.
    """

    name: str
    file: str
    sha256: str
    path: Path
    size: int
    backend: str = ""
    backend_path: tuple[str, ...] = ()
    requires: tuple[Piece, ...] = ()
    apt: tuple[str, ...] = ()

    @classmethod
    def of(cls, name: str, file: str, path: Path) -> Piece:
        return cls(name, file, path.name, path, path.stat().st_size)

    @property
    def is_wheel(self) -> bool:
        return not self.backend


@dataclass(frozen=True)
class Lock:
    """Every package with its exact version, as a requirements file with one `name==version` (or url) a line.

    `digest` is of `text`. `source` is "project" when the project brought a lock, "resolved" when we resolved its
    requirements once and keep the resolution beside the site (same requirements file content: same resolution).
    """

    text: str
    digest: str
    source: str
    python: Python
    versions: Mapping[str, str] = field(default_factory=dict)  # normalised name -> version
    added: Mapping[str, str] = field(default_factory=dict)  # what the stack adds: name -> version
    notes: tuple[str, ...] = ()  # "gunicorn 20.1 is pinned by the project; proved from 23 on"
    index_environment: Mapping[str, str | Secret] = field(default_factory=dict)  # for uv; may hold passwords
    pins: tuple[Pin, ...] = field(default=(), repr=False)  # for a target: where every package comes from, with digests


@dataclass(frozen=True)
class Environment:
    """A virtual environment in the store; one per lock, never upgraded in place."""

    path: str
    key: str
    python: Python
    lock: Lock

    @property
    def executable(self) -> str:
        return f"{self.path}/bin/python"
