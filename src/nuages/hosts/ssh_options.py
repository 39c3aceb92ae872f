"""The command line of the system's OpenSSH: what we insist on, and otherwise what ssh_config(5) says."""

from __future__ import annotations

import hashlib
import os
import shlex
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from nuages.errors import HostError


SSH = "ssh"
PERSIST = 60  # seconds that a shared connection outlives its last use
CONNECT = 10  # seconds for the TCP connection and its greeting
ALIVE = (5, 3)  # a host that stays silent for 3 * 5 s is dead
SOCKET_LENGTH = 104 - 17 - 1  # bytes of sun_path on the smallest system, less the suffix while ssh binds it


class Address(Protocol):
    """What `topology.model.Host` says of a server; empty fields are left to ssh_config(5)."""

    @property
    def name(self) -> str: ...
    @property
    def address(self) -> str: ...
    @property
    def user(self) -> str: ...
    @property
    def port(self) -> int: ...
    @property
    def identity(self) -> str: ...
    @property
    def jump(self) -> str: ...
    @property
    def ssh_config(self) -> str: ...


@dataclass(frozen=True)
class Login:
    """How ssh is called for one host."""

    host: Address
    accept_new: bool = False

    @property
    def target(self) -> str:
        return self.host.address or self.host.name

    def where(self) -> tuple[str, ...]:
        """The part of the command line that a person would type too."""
        host = self.host
        words = ["-F", os.path.expanduser(host.ssh_config)] if host.ssh_config else []
        words += ["-J", host.jump] if host.jump else []
        words += ["-p", str(host.port)] if host.port else []
        words += ["-i", os.path.expanduser(host.identity), "-o", "IdentitiesOnly=yes"] if host.identity else []
        words += ["-l", host.user] if host.user else []
        return tuple(words)

    def typed(self, *words: str, program: str = SSH) -> str:
        """The same login as a line for a shell, for hints."""
        return shlex.join((program, *self.where(), self.target, *words))

    def argv(
        self, *command: str, shared: bool = True, batch: bool = True, terminal: bool = False, verbose: bool = False
    ) -> tuple[str, ...]:
        """`shared`: over one connection for all. `batch`: never ask; a person is asked only before a connection is there."""
        options = {
            "BatchMode": "yes" if batch else "no",
            "ConnectTimeout": str(CONNECT),
            "ServerAliveInterval": str(ALIVE[0]),
            "ServerAliveCountMax": str(ALIVE[1]),
            "StrictHostKeyChecking": "accept-new" if self.accept_new else "yes",
            "ForwardAgent": "no",
            "ForwardX11": "no",
            "ClearAllForwardings": "yes",  # of ~/.ssh/config: a second connection could not listen there again
            "PermitLocalCommand": "no",
            "RemoteCommand": "none",
            "EscapeChar": "none",
            "LogLevel": "DEBUG1" if verbose else "INFO",
            "ControlMaster": "auto" if shared else "no",
            "ControlPath": self.socket() if shared else "none",
            "ControlPersist": str(PERSIST),
        }
        pairs = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
        return (SSH, "-tt" if terminal else "-T", *pairs, *self.where(), "--", self.target, *command)

    def socket(self) -> str:
        """Where the shared connection listens. %C of ssh_config(5) is 40 characters of address, port and user; what else
        makes a login another one is in front of it."""
        host = self.host
        about = "\0".join((host.identity, host.jump, host.ssh_config, str(self.accept_new)))
        return os.path.join(socket_folder(), hashlib.sha256(about.encode()).hexdigest()[:6] + "-%C")


def socket_folder() -> str:
    """A folder that is ours alone, with a path short enough for a socket. Raises HostError when there is none."""
    homes = [os.environ.get("XDG_RUNTIME_DIR"), os.path.join(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")]
    candidates = [os.path.join(home, "nuages", "ssh") for home in homes if home]
    candidates.append(os.path.join("/tmp", f"nuages-{os.getuid()}"))  # noqa: S108 - made 0700, and refused when it is another's
    for folder in candidates:
        if len(folder) + 1 + 6 + 1 + 40 <= SOCKET_LENGTH and _made_ours(folder):
            return folder
    raise HostError(
        "there is no folder for the sockets of shared connections", hint="set XDG_RUNTIME_DIR to a short path of yours"
    )


def _made_ours(folder: str) -> bool:
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        about = os.lstat(folder)
        if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.getuid():
            return False
        os.chmod(folder, stat.S_IRWXU)
    except OSError:
        return False
    return True
