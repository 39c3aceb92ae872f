"""What a component may know and what it may say. A component describes; only engine.apply has hands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nuages.release.build import Build
from nuages.release.layout import Layout
from nuages.secret import Secret
from nuages.topology.model import Topology


@dataclass(frozen=True)
class Machine:
    """What a host can carry, as limited by its cgroups. `memory` in bytes, 0 when unknown."""

    cores: int = 1
    memory: int = 0
    python: str = ""  # path of an interpreter for our stdlib-only programs
    python_version: str = ""


@dataclass(frozen=True)
class Placement:
    """One component on one host with all it may know."""

    topology: Topology
    layout: Layout
    build: Build
    machine: Machine
    policy: Mapping[str, Any]
    env: Mapping[str, str | Secret] = field(repr=False)
    scale: Mapping[str, int] = field(default_factory=dict)
    number: int = 0

    @property
    def manifest(self) -> Mapping[str, Any]:
        return self.build.manifest

    @property
    def python(self) -> str:
        return f"{self.manifest['environment']}/bin/python"


@dataclass(frozen=True)
class ProcessSpec:
    """A process for the supervisor. `socket`: it gets the listening socket; `proof`: it proves itself before it accepts."""

    name: str
    kind: str
    argv: tuple[str, ...]
    env: Mapping[str, str | Secret] = field(repr=False)
    cwd: str
    log: str
    instances: int = 1
    socket: bool = False
    proof: bool = False
    workers: int = 1
    drain: float = 30
    start_timeout: float = 60

    def as_spec(self) -> dict[str, Any]:
        """For the generation's 0600 file, where secrets are written out."""
        env = {k: v.reveal() if isinstance(v, Secret) else v for k, v in self.env.items()}
        return {
            **{k: getattr(self, k) for k in self.__dataclass_fields__ if k != "env"},
            "argv": list(self.argv),
            "env": env,
        }
