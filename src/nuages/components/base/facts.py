"""What the base must know of a server beyond its size: the answer to the agent's read `base`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Facts:
    """`login`, `by_key`, `keys` and `clock` stay as they were first found. `swap` (bytes) counts only what is not ours."""

    login: str = "root"  # who deploys: the user of the SSH login
    by_key: bool | None = None  # did the login come by key? None: sshd's log does not tell
    keys: tuple[str, ...] = ()  # lines of the login's authorized_keys
    includes: bool = True  # sshd_config reads sshd_config.d
    container: str = ""  # systemd-nspawn, lxc, docker; "" on a machine of its own
    swap: int = 0
    disk: int = 0  # free bytes under /var
    file_system: str = ""
    ufw: bool = False  # active
    clock: str = ""  # chrony, ntp ... where one was there before us; "": systemd's own
    sshd_ports: tuple[int, ...] = ()
    neighbours: tuple[str, ...] = ()  # on which others listened before us: tcp/8080
    databases: tuple[str, ...] = ()  # of others, before us: "postgresql accounts", "mysql"

    @classmethod
    def read(cls, answer: Mapping[str, Any]) -> Facts:
        known = {key: tuple(value) if isinstance(value, list) else value for key, value in answer.items()}
        fields: dict[str, Any] = {key: value for key, value in known.items() if key in cls.__dataclass_fields__}
        return cls(**fields)


QUESTIONS: Mapping[str, Mapping[str, Any]] = {"base": {"kind": "base"}}
