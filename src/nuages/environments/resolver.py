"""Asking uv which versions fit, for one Python."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from nuages.environments.explain import explain
from nuages.environments.model import Python
from nuages.environments.uv import uv
from nuages.environments.wishes import Wishes, mask
from nuages.errors import EnvironmentBuildError
from nuages.hosts.command import Result
from nuages.hosts.transport import Progress, Transport
from nuages.secret import Secret


MOST_SOURCE_PACKAGES = 15


@dataclass(frozen=True)
class Resolution:
    """For one Python: the pinned lines, and which packages have nothing but source for it."""

    python: Python
    lines: tuple[str, ...] = ()
    built: tuple[str, ...] = ()
    failure: str = ""  # what uv said

    @property
    def ok(self) -> bool:
        return not self.failure


def silent(_line: str) -> None:
    """Nobody listens."""


def resolve(here: Transport, root: Path, wishes: Wishes, python: Python, progress: Progress = silent) -> Resolution:
    """Wheels only, and source only for the packages that have no wheel for this Python."""
    built: list[str] = []
    while True:
        result = _compile(here, root, wishes, python, built)
        if result.ok:
            return Resolution(python, pins(result.stdout), tuple(built))
        name = _without_wheels(result.stderr)
        if not name or name in built or len(built) >= MOST_SOURCE_PACKAGES:
            return Resolution(python, (), tuple(built), mask(result.stderr))
        progress(f"resolving for Python {python.version}: {name} has no wheel, reading its source")
        built.append(name)


def has_wheel(here: Transport, wishes: Wishes, python: Python) -> bool:
    """Is there a wheel of these pinned lines for this Python?"""
    alone = replace(wishes, constraints=(), overrides=(), complete=True, source_only=())
    return _compile(here, Path("/"), alone, python, ()).ok


def _compile(here: Transport, root: Path, wishes: Wishes, python: Python, built: Iterable[str]) -> Result:
    with tempfile.TemporaryDirectory(prefix="nuages-resolve-") as scratch:
        arguments = ["--no-header", "--no-annotate", "--quiet", *for_python(python), "--only-binary", ":all:"]
        for name in dict.fromkeys([*built, *wishes.source_only]):
            arguments += ["--no-binary", name]
        if wishes.complete:
            arguments.append("--no-deps")
        if wishes.prerelease:
            arguments += ["--prerelease", "allow"]
        for option, lines in (("--constraints", wishes.constraints), ("--overrides", wishes.overrides)):
            if lines:
                arguments += [option, _write(scratch, option.strip("-") + ".txt", lines)]
        names = [_write(scratch, "requirements.in", [_absolute(root, line) for line in wishes.lines])]
        if wishes.preferred:
            arguments += ["--output-file", _write(scratch, "preferred.txt", wishes.preferred)]
        # In a folder of our own: [tool.uv] of the project or of a folder above it is not for this resolution.
        result = here.run(uv("pip", "compile", *arguments, *names, cwd=scratch, env=index_environment(wishes)))
        return replace(result, stdout=Path(scratch, "preferred.txt").read_text("utf-8")) if wishes.preferred else result


def for_python(python: Python) -> tuple[str, ...]:
    """For another machine the interpreter only reads the metadata of sources; markers and wheels are the target's."""
    there = ("--python-version", python.version, "--python-platform", python.platform) if python.platform else ()
    return ("--python", python.path, *there)


def _write(folder: str, name: str, lines: Iterable[str]) -> str:
    path = Path(folder, name)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return str(path)


def _absolute(root: Path, line: str) -> str:
    return os.path.join(str(root), line[2:]) if line.startswith("./") else line


def index_environment(wishes: Wishes) -> dict[str, str | Secret]:
    """Indexes travel in the environment, for their URLs may hold a password."""
    env: dict[str, str | Secret] = {}
    if wishes.default_index:
        env["UV_DEFAULT_INDEX"] = wishes.default_index
    if wishes.indexes:
        env["UV_INDEX"] = Secret(" ".join(each.reveal() for each in wishes.indexes))
        env["UV_INDEX_STRATEGY"] = "unsafe-best-match"  # as pip does
    if wishes.find_links:
        given = os.environ.get("UV_FIND_LINKS", "")
        env["UV_FIND_LINKS"] = ",".join([*([given] if given else []), *wishes.find_links])
    return env


def _without_wheels(said: str) -> str:
    found = re.search(r"Wheels are required for `([^`]+)` because building from source is disabled", said)
    return found[1] if found else ""


def pins(text: str) -> tuple[str, ...]:
    """The requirement lines of a compiled file."""
    lines = (line.strip() for line in text.splitlines())
    return tuple(line for line in lines if line and not line.startswith(("#", "-")))


def refuse(resolution: Resolution, where: str) -> EnvironmentBuildError:
    what, detail, hint = explain(resolution.failure, resolution.python)
    return EnvironmentBuildError(what, where=where, detail=detail, hint=hint)
