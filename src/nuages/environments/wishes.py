"""What a project asks for, in the resolver's terms; every form in forms/ is read into this one value."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass, fields, replace
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from nuages.secret import Secret


PUBLIC_INDEXES = ("pypi.org", "pypi.python.org", "www.pypi.org", "files.pythonhosted.org")
SKIPPED_FOLDERS = frozenset(
    {
        ".git",
        ".hg",
        ".venv",
        "venv",
        "env",
        "node_modules",
        "__pycache__",
        ".tox",
        ".mypy_cache",
        "build",
        "dist",
    }
)


@dataclass(frozen=True)
class Wishes:
    """`lines` are requirements for uv. With `complete` they are a whole lock and nothing is followed from them.

    `export` names the folder whose uv.lock only uv can read; `dynamic` the folder whose metadata only a build can
    tell. `fetched` are repositories that the export will name. `folders` are local packages that `lines` names by `./path`, relative to the project root.
    `sources` are folders that hold the project's own package, which is not installed.
    """

    lines: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    overrides: tuple[str, ...] = ()
    complete: bool = False
    locked: bool = False
    export: str = ""
    export_arguments: tuple[str, ...] = ()
    dynamic: str = ""
    default_index: Secret | None = None
    indexes: tuple[Secret, ...] = ()
    find_links: tuple[str, ...] = ()
    prerelease: bool = False
    preferred: tuple[str, ...] = ()  # pinned lines that stay as they are where they fit
    source_only: tuple[str, ...] = ()
    fetched: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    group: str = ""
    extras: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def plus(self, other: Wishes) -> Wishes:
        """Both together; where only one may speak, the other's word goes."""
        joined: dict[str, object] = {}
        for each in fields(self):
            mine, theirs = getattr(self, each.name), getattr(other, each.name)
            joined[each.name] = unique((*mine, *theirs)) if isinstance(mine, tuple) else theirs or mine
        return replace(self, **joined)  # type: ignore[arg-type]

    @property
    def vcs(self) -> tuple[str, ...]:
        return tuple(mask(line) for line in (*self.fetched, *self.lines) if re.search(r"\b(git|hg|svn|bzr)\+", line))


def unique(items: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(items))


def requirement_name(line: str) -> str:
    """The normalised name that a requirement line is about; "" for a bare path or url."""
    plain = re.match(r"([A-Za-z0-9][A-Za-z0-9._-]*)==[^\s;]+$", line)
    if plain:
        return canonicalize_name(plain[1])
    try:
        return canonicalize_name(Requirement(line).name)
    except InvalidRequirement:
        found = re.match(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[|[<>=!~;@ ]|$)", line)
        egg = re.search(r"[#&]egg=([A-Za-z0-9._-]+)", line)
        name = egg or (found if found and not re.match(r"\s*[\w.+-]+:|.*[/\\]", line) else None)
        return canonicalize_name(name[1]) if name else ""


def mask(text: str) -> str:
    """URLs without the name and password in them."""
    return re.sub(r"(\w[\w+.-]*://)[^/@\s]+@", r"\1***@", text)


def without_credentials(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def is_public(url: str) -> bool:
    return urlsplit(url).hostname in PUBLIC_INDEXES


def digest_folder(folder: Path) -> str:
    """Of every file's name and content; a local package that changes is another package."""
    total = hashlib.sha256()
    for base, folders, names in os.walk(folder):
        folders[:] = sorted(f for f in folders if f not in SKIPPED_FOLDERS and not f.endswith(".egg-info"))
        for name in sorted(names):
            path = Path(base, name)
            if path.is_file():
                total.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes() + b"\0")
    return total.hexdigest()
