"""Which environment a build aims at on a server: told from the project's lock for the Python there, and remembered.

What the lock is made of is in the inspection's key, in the machine and in the versions that are live: while these are the
same, neither the lock nor the libraries that read it are loaded.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass

from nuages.components.contract import Machine
from nuages.engine.inspecting import Work, forget, server_lock, stack_of
from nuages.environments.model import Lock, Target
from nuages.project.model import Project


KEPT = 16


@dataclass(frozen=True)
class Aim:
    """`key` names the environment, `python` is its exact version."""

    key: str
    python: str


def aim_of(work: Work, project: Project, key: str, machine: Machine) -> Aim:
    """`key`: of the project's inspection."""
    live = (work.live.manifest or {}).get("versions")
    known = (machine.os, machine.os_version, machine.arch, machine.libc, machine.python, machine.python_version)
    about = (key, known, sorted(machine.pythons.items()), sorted((live or {}).items()), stack_of(work, project.interface))
    path = work.store.cache / "aims" / f"{hashlib.sha256(repr(about).encode()).hexdigest()[:24]}.json"
    try:
        return Aim(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        pass
    from nuages.environments.target import target_key

    lock = lock_for(work, project, machine)[1]
    aim = Aim(target_key(lock), lock.python.version)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}.{machine.python_version}.partial")
    partial.write_text(json.dumps(asdict(aim)), encoding="utf-8")
    partial.replace(path)
    forget(path.parent, keep=KEPT)
    return aim


def lock_for(work: Work, project: Project, machine: Machine) -> tuple[Target, Lock]:
    """The project's packages for the Python of a server. Kept: the second time it starts no process."""
    return server_lock(work, project.files, project.interface, machine)
