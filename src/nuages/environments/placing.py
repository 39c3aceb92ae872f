"""An environment on a host: what it lacks travels there, and is laid out by the host's own Python."""

from __future__ import annotations

import functools
import hashlib
import io
import json
import secrets
import zipfile
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from nuages.environments import hook
from nuages.environments.interpreters import numbers
from nuages.environments.model import Environment, Lock, Piece, Target
from nuages.environments.pieces import wheel_cache
from nuages.environments.target import target_key
from nuages.errors import CommandError, EnvironmentBuildError
from nuages.hosts.transport import Progress, Transport


HERE = Path(__file__).parent
MARKER = "nuages-complete"
MOST_JOBS = 4  # processes that compile on the host, beside the site that it serves
LONGEST = 1800  # seconds


def place_environment(
    here: Transport,
    host: Transport,
    lock: Lock,
    pieces: Sequence[Piece],
    target: Target,
    venvs: Path,
    store: Path,
    account: str,
    progress: Progress,
    *,
    cores: int = 1,
    journal: str = "",
    there: Mapping[str, Any] | None = None,
) -> Environment:
    """The environment of a target's lock at its final path on the host; `there` is the answer to `question_of`, where it was asked already.

    Wheels that the host has unpacked before don't travel again. It belongs to root, and `account` may read it.
    """
    environment = Environment(str(venvs / target_key(lock)), target_key(lock), lock.python, lock)
    trees = _trees(pieces, target, venvs)
    there = there or host.read({"files": question_of(lock, pieces, target, venvs)})["files"]
    if there[f"{environment.path}/{MARKER}"]:
        return environment
    lacking = [piece for piece in pieces if not there[trees[piece.sha256]]]
    missing = {each.sha256: each.path for piece in lacking for each in (piece, *piece.requires)}
    tool = program()
    host.ship({**missing, tool.name: tool}, str(store), progress)
    spec = _spec(environment, pieces, target, store, account, min(cores, MOST_JOBS))
    note = f"{venvs}/.{environment.key}.json"
    command = [target.path, "-I", str(piece_path(store, tool.name)), note]
    ops: list[dict[str, Any]] = [
        {"op": "file", "path": note, "content": json.dumps(spec), "mode": 0o600},
        {"op": "run", "argv": command, "env": {"LANG": "C.UTF-8", "PATH": "/usr/bin:/bin"}, "timeout": LONGEST},
        {"op": "remove", "paths": [note]},
    ]
    text = f"+ {host.name}  environment {environment.key}: Python {target.python}, {len(pieces)} packages"
    step = {"text": text, "ops": ops, "undo": [{"op": "remove", "paths": [note]}]}
    try:
        host.write([step], journal or str(venvs.parent / "journal.jsonl"), _said(progress))
    except CommandError as error:
        raise EnvironmentBuildError(error.what, where=host.name, detail=error.detail, hint=error.hint) from error
    return environment


def question_of(lock: Lock, pieces: Sequence[Piece], target: Target, venvs: Path) -> Mapping[str, Any]:
    """Is it there, and which wheels lie unpacked?"""
    return {"kind": "files", "paths": [f"{venvs / target_key(lock)}/{MARKER}", *_trees(pieces, target, venvs).values()]}


def _trees(pieces: Sequence[Piece], target: Target, venvs: Path) -> dict[str, str]:
    series = ".".join(map(str, numbers(target.python)[:2]))
    return {piece.sha256: f"{venvs}/.wheels/{piece.sha256}-{series}" for piece in pieces}


def piece_path(store: Path, digest: str) -> Path:
    return store / digest[:2] / digest


def _spec(env: Environment, pieces: Sequence[Piece], target: Target, store: Path, account: str, jobs: int) -> dict[str, Any]:
    return {
        "path": env.path,
        "version": target.python,
        "python": target.path,
        "group": account,
        "wheels": [_told(piece, store) for piece in pieces],
        "hook": dict(hook.FILES),
        "lock": env.lock.text,
        "jobs": jobs,
    }


def _told(piece: Piece, store: Path) -> dict[str, Any]:
    """As host_side.py reads it."""
    told = {"name": piece.name, "file": piece.file, "sha256": piece.sha256, "piece": str(piece_path(store, piece.sha256))}
    if piece.is_wheel:
        return told
    requires = [_told(each, store) for each in piece.requires]
    return {**told, "backend": piece.backend, "path": list(piece.backend_path), "requires": requires, "apt": list(piece.apt)}


def _said(progress: Progress) -> Any:
    return lambda event: progress(event["line"]) if event.get("event") == "output" and event["line"][:1] != "{" else None


@functools.cache
def program() -> Path:
    """The host's side with the `installer` library, as one zip that Python runs; in the cache under its digest."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(_entry("__main__.py"), (HERE / "host_side.py").read_bytes())
        for name in ("host_build.py", "host_adopt.py"):
            archive.writestr(_entry(name), (HERE / name).read_bytes())
        for name, data in _library(files("installer"), "installer"):
            archive.writestr(_entry(name), data)
    digest = hashlib.sha256(content.getvalue()).hexdigest()
    path = wheel_cache() / digest
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f"{digest}.{secrets.token_hex(4)}.partial")  # several hosts are served at once
        partial.write_bytes(content.getvalue())
        partial.replace(path)
    return path


def _entry(name: str) -> zipfile.ZipInfo:
    """Always the same time, so the same program has the same digest."""
    entry = zipfile.ZipInfo(name)
    entry.compress_type = zipfile.ZIP_DEFLATED
    return entry


def _library(folder: Any, path: str) -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    for each in sorted(folder.iterdir(), key=lambda e: str(e.name)):
        if each.is_dir() and each.name != "__pycache__":
            found += _library(each, f"{path}/{each.name}")
        elif each.name.endswith(".py"):
            found.append((f"{path}/{each.name}", each.read_bytes()))
    return found
