"""What the serving stack adds to a project's versions, without changing one of them."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from nuages.environments.model import Python
from nuages.environments.resolver import Resolution, refuse, resolve
from nuages.environments.wishes import Wishes, requirement_name
from nuages.hosts.transport import Progress, Transport


# Any of these drives the same database; one more beside it would be preferred by Django, and change what runs.
INSTEAD = {
    "psycopg": ("psycopg2", "psycopg2-binary"),
    "mysqlclient": ("pymysql", "mysql-connector-python"),
}

# package -> (first version that works, from this Python on): psycopg2 used a function that Python 3.13 no longer has.
LEFT_BEHIND = {"psycopg2": ("2.9.10", "3.13"), "psycopg2-binary": ("2.9.10", "3.13")}


def add_stack(
    here: Transport,
    python: Python,
    project: Sequence[str],
    stack: Sequence[str],
    wishes: Wishes,
    keep: Path,
    progress: Progress,
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(pinned lines to add, notes). A package that the project has keeps the project's version, told where it is
    older than what was proved; a minimum gives way where the project's versions leave no room for it."""
    lines, notes = against(project, stack, python.version)
    if not lines:
        return (), notes
    path = keep / f"stack-{_digest(python, project, lines)}.json"
    with contextlib.suppress(OSError, ValueError, KeyError):
        kept = json.loads(path.read_text(encoding="utf-8"))
        return tuple(kept["lines"]), (*notes, *kept["notes"])
    progress("resolving what serving adds")
    found, more = _resolve(here, python, project, lines, wishes)
    have = {requirement_name(line) for line in project}
    added = tuple(line for line in found.lines if requirement_name(line) not in have)
    _save(path, {"lines": added, "notes": more})
    return added, (*notes, *more)


def against(project: Sequence[str], stack: Sequence[str], python: str = "") -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What of the stack is left to resolve, and what the project's own versions mean for it."""
    have = {requirement_name(line): line for line in project}
    lines, notes = [], []
    for wish in stack:
        requirement = Requirement(wish)
        name = canonicalize_name(requirement.name)
        if name not in have:
            others = [other for other in INSTEAD.get(name, ()) if other in have]
            dead = [told for other in others if (told := does_not_import(have[other], python))]
            if len(dead) == len(others):
                lines.append(wish)
                notes += [f"{told}; {name} is added, which Django prefers" for told in dead]
            continue
        pin = _pin(have[name])
        if pin and pin not in requirement.specifier:
            notes.append(f"{name} {pin} is what the project has; proved with {requirement.specifier}")
        if requirement.extras:  # the same version, with what the extra brings
            lines.append(f"{requirement.name}[{','.join(sorted(requirement.extras))}]")
    return tuple(lines), tuple(notes)


def does_not_import(line: str, python: str) -> str:
    """Why a pinned package can't be used under this Python; "" where it can, as far as we know."""
    fixed, since = LEFT_BEHIND.get(requirement_name(line), ("", ""))
    pin = _pin(line)
    if not (fixed and pin and python) or Version(pin) >= Version(fixed) or Version(python) < Version(since):
        return ""
    return f"{requirement_name(line)} {pin} does not import on Python {since} and newer"


def instead_of(wish: str, versions: Mapping[str, str]) -> str:
    """Why a package that somebody asked for is not there; "" where it is."""
    name = canonicalize_name(Requirement(wish).name)
    found = [other for other in INSTEAD.get(name, ()) if other in versions]
    return (
        "" if name in versions or not found else f"{name} is left out: the project has {found[0]}, which drives the same database"
    )


def _pin(line: str) -> str:
    with contextlib.suppress(ValueError):
        return next((s.version for s in Requirement(line).specifier if s.operator == "=="), "")
    return ""


def _resolve(
    here: Transport, python: Python, project: Sequence[str], lines: Sequence[str], wishes: Wishes
) -> tuple[Resolution, tuple[str, ...]]:
    pins = tuple(line for line in project if requirement_name(line))
    asked = Wishes(
        lines=tuple(lines),
        constraints=pins,
        default_index=wishes.default_index,
        indexes=wishes.indexes,
        find_links=wishes.find_links,
        preferred=wishes.preferred,
    )
    found = resolve(here, Path("/"), asked, python)
    if found.ok:
        return found, ()
    bare = tuple(line if Requirement(line).url else _bare(line) for line in lines)
    relaxed = resolve(here, Path("/"), Wishes(**{**vars(asked), "lines": bare}), python)
    if not relaxed.ok:
        raise refuse(found, "what serving adds")
    return relaxed, (f"the project's versions leave no room for {', '.join(lines)}; older ones are used",)


def _bare(line: str) -> str:
    requirement = Requirement(line)
    return f"{requirement.name}[{','.join(sorted(requirement.extras))}]" if requirement.extras else requirement.name


def _digest(python: Python, project: Sequence[str], lines: Sequence[str]) -> str:
    import hashlib

    series = python.version.rpartition(".")[0]
    platform = (python.platform,) if python.platform else ()
    return hashlib.sha256("\n".join((series, *platform, *project, "", *lines)).encode()).hexdigest()[:20]


def _save(path: Path, data: dict[str, tuple[str, ...]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    partial.write_text(json.dumps(data, indent=1), encoding="utf-8")
    partial.replace(path)
