"""A virtual environment in the store: one per lock, built at its final path, never upgraded in place."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from nuages.environments import hook
from nuages.environments.explain import explain
from nuages.environments.model import Environment, Lock
from nuages.environments.uv import uv
from nuages.errors import EnvironmentBuildError
from nuages.hosts.command import Result
from nuages.hosts.transport import Progress, Transport


MARKER = "nuages-complete"


def build_environment(
    here: Transport, lock: Lock, store: Path, progress: Progress, *, compile_bytecode: bool = True
) -> Environment:
    """The environment of a lock; reused when it is there, whole or not at all otherwise.

    Two that build the same at once wait for each other; what an interrupted build left is removed.
    """
    key = environment_key(lock)
    environment = Environment(str(store / key), key, lock.python, lock)
    if _is_complete(environment):
        return environment
    with _writing(store), _only_one(store / f".{key}.lock"):
        if not _is_complete(environment):
            _build(here, environment, progress, compile_bytecode=compile_bytecode)
    return environment


def environment_key(lock: Lock) -> str:
    """Of the lock, the exact Python and where it lies, and of the hook: another of these is another environment."""
    parts = (lock.text, lock.python.version, os.path.realpath(lock.python.path), *hook.FILES.values())
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _is_complete(environment: Environment) -> bool:
    """`bin/python` is a link to the interpreter: when that was uninstalled, the environment is none."""
    return os.path.exists(f"{environment.path}/{MARKER}") and os.path.exists(environment.executable)


def _build(here: Transport, environment: Environment, progress: Progress, *, compile_bytecode: bool) -> None:
    lock = environment.lock
    shutil.rmtree(environment.path, ignore_errors=True)
    progress(f"environment {environment.key}: Python {lock.python.version}, {len(lock.versions)} packages")
    _check(
        here.run(uv("venv", "--python", lock.python.path, "--no-project", "--quiet", environment.path, cwd="/")),
        lock,
    )
    _install(here, environment, progress, compile_bytecode=compile_bytecode)
    _write_hook(Path(environment.path))
    marker = Path(environment.path, MARKER)
    marker.touch(mode=0o600)  # a line may be a URL with a password
    marker.write_text(lock.text, encoding="utf-8")


def _install(here: Transport, environment: Environment, progress: Progress, *, compile_bytecode: bool) -> None:
    lock = environment.lock
    compiling = ("--compile-bytecode",) if compile_bytecode else ()
    arguments = ("pip", "install", "--python", environment.executable, "--no-deps", *compiling, "-r", "-")
    command = uv(*arguments, cwd=environment.path, env=dict(lock.index_environment), stdin=lock.text)
    result = here.run(command, _said(progress))
    if not result.ok and re.search(r"hardlink|hard link|reflink|clone", result.stderr, re.IGNORECASE):
        result = here.run(command.with_(argv=(*command.argv, "--link-mode", "copy")), _said(progress))
    _check(result, lock)


def _said(progress: Progress) -> Progress:
    def tell(line: str) -> None:
        if re.match(r"\s*(Building|Built|Downloading|Prepared|Installed|Bytecode)", line):
            progress(line.strip())

    return tell


def _check(result: Result, lock: Lock) -> None:
    if not result.ok:
        what, detail, hint = explain(result.stderr, lock.python)
        raise EnvironmentBuildError(what, where="environment", detail=detail, hint=hint)


def _write_hook(path: Path) -> None:
    for folder in path.glob("lib/python3*/site-packages"):
        for name, content in hook.FILES.items():
            (folder / name).write_text(content, encoding="utf-8")


@contextlib.contextmanager
def _writing(store: Path) -> Iterator[None]:
    """A full disk and a store that can't be written are one clear error each."""
    try:
        store.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        what = "the disk is full" if error.errno == errno.ENOSPC else f"can't write: {error.strerror}"
        raise EnvironmentBuildError(
            what, where=str(store), hint="free some space, or choose another place with XDG_DATA_HOME"
        ) from error


@contextlib.contextmanager
def _only_one(path: Path) -> Iterator[None]:
    """Held by the process: a build that is killed releases it."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
