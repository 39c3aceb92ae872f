"""Compile what the workers will import; what an earlier build compiled from the same file is taken over.

`unchecked-hash`: a release is immutable, and times change with copies. A compiled module names its source from the root of the
build, so that it is the same in each. A file that does not compile is told by whatever imports it, with its line; one that
nothing imports does no harm.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

from nuages.hosts.command import Command
from nuages.hosts.transport import Transport


MANY = 300  # modules from which on compiling in two processes pays for starting them
FEW = 50  # that are named one by one
PARTS = ("source", "runtime")
FOLDER = "__pycache__"


def compile_build(build: Path, python: str, version: str, here: Transport, builds: Path) -> None:
    """`python` of exactly this `version` compiles; `builds` is where earlier ones lie."""
    left = _take_over(build, _latest(builds, version))
    if not left:
        return
    processes = ("-j", "2") if len(left) > MANY else ()
    options = ("-q", *processes, "-s", str(build), "-p", "/", "--invalidation-mode", "unchecked-hash")
    what = [str(build / name) for name in left] if len(left) <= FEW else [str(build / part) for part in PARTS]
    here.run(Command((python, "-I", "-m", "compileall", *options, *what)))


def _latest(builds: Path, version: str) -> Path | None:
    """The newest build by the same Python."""
    try:
        found = sorted(builds.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
    except OSError:
        return None
    return next((path for path in found if _python_of(path) == version), None)


def _python_of(build: Path) -> str:
    try:
        return str(json.loads((build / "manifest.json").read_text(encoding="utf-8"))["python"])
    except (OSError, ValueError, KeyError):
        return ""


def _take_over(build: Path, earlier: Path | None) -> list[str]:
    """Modules that have to be compiled still."""
    return [name for name in _modules(build) if not (earlier and _is_taken_over(build, earlier, name))]


def _modules(build: Path) -> Iterator[str]:
    for part in PARTS:
        for folder, _folders, names in os.walk(build / part):
            inside = os.path.relpath(folder, build)
            yield from (f"{inside}/{name}" for name in names if name.endswith(".py"))


def _is_taken_over(build: Path, earlier: Path, name: str) -> bool:
    path = Path(name)
    try:
        compiled = list((earlier / path.parent / FOLDER).glob(f"{path.stem}.cpython-*.pyc"))
        if len(compiled) != 1 or (earlier / name).read_bytes() != (build / name).read_bytes():
            return False
        target = build / path.parent / FOLDER / compiled[0].name
        target.parent.mkdir(exist_ok=True)
        os.link(compiled[0], target)
    except OSError:
        return False
    return True
