"""Operations of the agent as values, and steps made of them. Pure."""

from __future__ import annotations

from pathlib import Path

from nuages.engine.model import Op, Step
from nuages.hosts.command import Command


HOST = "localhost"
# What a command finds; everything else it needs is given to it.
BASE = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"}


def step(symbol: str, what: str, why: str, *ops: Op, undo: tuple[Op, ...] = ()) -> Step:
    return Step(symbol, HOST, what, why, ops, undo)


def perform(command: Command) -> Op:
    environment = {**BASE, **command.environment()}
    op = {"op": "run", "argv": list(command.argv), "env": environment, "cwd": command.cwd or None, "timeout": command.timeout}
    return {**op, "user": command.user} if command.user else op


def write(path: Path, content: str, mode: int = 0o644, *, group: str = "") -> Op:
    op: Op = {"op": "file", "path": str(path), "content": content, "mode": mode}
    return {**op, "group": group} if group else op


def link(path: Path, target: str) -> Op:
    return {"op": "symlink", "path": str(path), "target": target}


def make_directory(path: Path, mode: int = 0o755, *, owner: str = "") -> Op:
    op: Op = {"op": "mkdir", "path": str(path), "mode": mode}
    return {**op, "owner": owner, "group": owner} if owner else op


def remove(*paths: Path) -> Op:
    return {"op": "remove", "paths": [str(p) for p in paths]}
