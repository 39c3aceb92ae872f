"""A build, from this machine to a host: its files as content-addressed pieces, put together there by hard links."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nuages.environments.placing import MOST_JOBS
from nuages.hosts.pieces import sizes
from nuages.hosts.transport import Progress, Transport
from nuages.release.build import Build
from nuages.release.layout import Layout
from nuages.release.source import never
from nuages.release.writable import fill_command


MANIFEST = "manifest.json"
# Whoever imports a module that does not compile is told; one that nobody imports does no harm.
COMPILE = """\
import compileall, os, py_compile, sys
os.nice(10)
mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
for part in ("source", "runtime"):
    compileall.compile_dir(sys.argv[1] + "/" + part, quiet=2, workers=int(sys.argv[2]), invalidation_mode=mode,
                           stripdir=sys.argv[1], prependdir="/")
"""


@dataclass(frozen=True)
class Contents:
    """A folder as the agent's op `assemble` takes it; `pieces` are digest -> where that content lies here."""

    entries: tuple[tuple[str, str, str, int], ...]
    pieces: dict[str, Path]


def ship_build(
    build: Build,
    host: Transport,
    layout: Layout,
    progress: Progress,
    *,
    account: str = "",
    cores: int = 1,
    contents: Contents | None = None,
    there: Mapping[str, Any] | None = None,
) -> Build:
    """The build as it lies on a host. `there` are the answers to `questions_of`, where it was asked already.

    Its manifest names the environment that it runs in there. Only what the host lacks travels, and what arrived before a
    connection broke is not sent again. `account`: of the site, where there is one yet; its writable folders are made
    then, for code that is looked at before the plan.
    """
    path, manifest = layout.build(build.id), build.manifest
    contents = contents or read_contents(build.path)
    there = there or host.read(questions_of(build, contents, layout))
    known = there["manifest"]
    if known and known.get("environment") == manifest["environment"]:
        return Build(build.id, path, {**known, **_moment(build)})
    text = json.dumps(dict(manifest), indent=1, sort_keys=True)
    fill = fill_command(path, manifest, layout, f"{manifest['environment']}/bin/python", account) if account else None
    filled = [{"op": "run", "argv": list(fill.argv), "env": {}, "timeout": fill.timeout, "user": account}] if fill else []
    said = f"+ {host.name}  build {build.id}"
    if known:  # the same build for another environment, say after an upgrade of the host's Python
        written = {"op": "file", "path": str(path / MANIFEST), "content": text, "mode": 0o644}
        host.write([{"text": said, "ops": [written, *filled]}], str(layout.journal), lambda _event: None)
    else:
        compiled = [] if any((build.path / "runtime").rglob("*.pyc")) else [_compile(path, manifest, cores)]
        _assemble(build, contents, host, layout, text, progress, (said, [*compiled, *filled]), there["lacking"])
    return Build(build.id, path, manifest)


def questions_of(build: Build, contents: Contents, layout: Layout) -> dict[str, Mapping[str, Any]]:
    """Is the build there, and which of its pieces?"""
    return {
        "manifest": {"kind": "json", "path": str(layout.build(build.id) / MANIFEST)},
        "lacking": {"kind": "lacking", "store": str(layout / "store"), "pieces": sizes(contents.pieces)},
    }


def _compile(path: Path, manifest: Mapping[str, Any], cores: int) -> dict[str, Any]:
    """-S: root starts the environment's Python without what its packages would have it run (.pth)."""
    argv = [f"{manifest['environment']}/bin/python", "-I", "-S", "-c", COMPILE, str(path), str(min(cores, MOST_JOBS))]
    return {"op": "run", "argv": argv, "env": {"LANG": "C.UTF-8"}, "timeout": 900}


def _moment(build: Build) -> dict[str, Any]:
    """From where it was built today; the same build may come from several commits."""
    return {name: build.manifest[name] for name in ("commit", "branch", "dirty") if name in build.manifest}


def _assemble(
    build: Build,
    contents: Contents,
    host: Transport,
    layout: Layout,
    manifest: str,
    progress: Progress,
    step: tuple[str, list[dict[str, Any]]],
    lacking: Sequence[str],
) -> None:
    """Send what is missing and put it together. The list of files is a piece too: it may be long."""
    store, (said, after) = str(layout / "store"), step
    with tempfile.TemporaryDirectory(prefix="nuages-shipping-") as folder:
        told = _piece(folder, manifest)
        listed = _piece(folder, json.dumps([*contents.entries, (MANIFEST, "f", told.name, 0o644)]))
        op = {"op": "assemble", "store": store, "to": str(layout.build(build.id)), "entries": {"piece": listed.name}}
        pieces = {**contents.pieces, told.name: told, listed.name: listed}
        names = [*lacking, *(name for name in (told.name, listed.name) if name not in lacking)]
        steps = [{"text": said, "ops": [op, *after]}]
        host.ship(pieces, store, progress, lacking=names, steps=steps, journal=str(layout.journal))


def _piece(folder: str, text: str) -> Path:
    path = Path(folder, hashlib.sha256(text.encode()).hexdigest())
    path.write_text(text, encoding="utf-8")
    return path


def read_contents(folder: Path) -> Contents:
    """Every file, link and folder of a build, but for what never travels. Files are 0644, or 0755 where they may be run.

    5,000 files are read and hashed in a fifth of a second, so no digest is remembered.
    """
    entries, pieces = [], {}
    for name, path, info in _walk(folder):
        if stat.S_ISLNK(info.st_mode):
            entries.append((name, "l", os.readlink(path), 0o777))
        elif stat.S_ISDIR(info.st_mode):
            entries.append((name, "d", "", 0o755))
        elif stat.S_ISREG(info.st_mode):
            with open(path, "rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            pieces[digest] = Path(path)
            entries.append((name, "f", digest, 0o755 if info.st_mode & 0o100 else 0o644))
    return Contents(tuple(entries), pieces)


def _walk(folder: Path) -> Iterator[tuple[str, str, os.stat_result]]:
    for base, folders, names in os.walk(folder):
        inside = os.path.relpath(base, folder)
        for name in sorted([*folders, *names]):
            relative = os.path.normpath(os.path.join(inside, name))
            if relative != MANIFEST and not stays(relative):
                path = os.path.join(base, name)
                yield relative, path, os.lstat(path)


def stays(name: str) -> bool:
    """Files of secrets and databases that a build command may have left; compiled modules are the build's own."""
    return never(name) and not name.endswith(".pyc") and not name.startswith("static/")
