"""First contact that begins while the rest of the program is still being loaded: with the questions of the last time.

They are reads, and what was asked in vain costs nobody anything: whoever asks takes the answers where the questions turn
out to be the same, and asks for itself where not. Kept on this machine, without a secret: losing it costs a moment.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

from nuages.errors import HostError


if TYPE_CHECKING:
    from nuages.hosts.ssh import SshTransport
    from nuages.hosts.ssh_options import Address


# What makes it another site, or another way to it, than the one that was remembered.
CHOICES = ("NUAGES_ENV", "NUAGES_REHEARSAL", "NUAGES_DEPLOY_KEY")


@dataclass(frozen=True)
class Where:
    """An `Address` as it is remembered."""

    name: str
    address: str = ""
    user: str = ""
    port: int = 0
    identity: str = ""
    jump: str = ""
    ssh_config: str = ""


@dataclass(eq=False)
class Contact:
    """One host that is being asked. `answers` stays None where it failed."""

    transport: SshTransport
    questions: Mapping[str, Any]
    answers: dict[str, Any] | None = None
    error: HostError | None = None
    thread: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self.thread = threading.Thread(target=self._ask, daemon=True)
        self.thread.start()

    def _ask(self) -> None:
        with contextlib.suppress(Exception):  # whoever asks again hears of it
            try:
                self.answers = self.transport.read(self.questions)
            except HostError as error:
                self.error = error

    def answer(self, questions: Mapping[str, Any]) -> dict[str, Any] | None:
        """None where other questions were put, or a person may have to be asked for a password. Raises HostError where the
        host is out of reach."""
        if json.loads(json.dumps(questions)) != self.questions:
            return None
        self.thread.join()
        from nuages.hosts.ssh_errors import is_out_of_reach

        if self.error and is_out_of_reach(self.error):
            raise self.error
        return self.answers


UNDER_WAY: dict[Where, Contact] = {}


def begin(root: str, environment: str = "") -> None:
    """Ask the hosts of the site in this folder, where it was deployed from here before and its nuages.toml is the same."""
    try:
        kept = json.loads(_text(_file(root, environment)))
        if kept["declared"] != _declared(root):
            return
        hosts = [(Where(**host["where"]), host["questions"]) for host in kept["hosts"]]
    except (OSError, ValueError, KeyError, TypeError):
        return
    from nuages.hosts.ssh import SshTransport

    for where, questions in hosts:
        UNDER_WAY[where] = Contact(SshTransport(where, alone=True), questions)


def begun(host: Address) -> Contact | None:
    """Taken once: later questions are about another moment."""
    return UNDER_WAY.pop(_where(host), None)


def remember(root: str, asked: Sequence[tuple[Address, Mapping[str, Any]]]) -> None:
    hosts = [{"where": asdict(_where(host)), "questions": questions} for host, questions in asked]
    path = _file(root)
    with contextlib.suppress(OSError):  # a folder without a file of its own, a full disk
        text = json.dumps({"declared": _declared(root), "hosts": hosts})
        if _text(path) == text:
            return
        partial = f"{path}.{os.getpid()}"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(partial, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(partial, path)


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError:
        return ""


def _where(host: Address) -> Where:
    return Where(**{each.name: getattr(host, each.name) for each in fields(Where)})


def _declared(root: str) -> list[int]:
    info = os.stat(os.path.join(root, "nuages.toml"))
    return [info.st_ino, info.st_size, info.st_mtime_ns]


def _file(root: str, environment: str = "") -> str:
    chosen = {name: os.environ.get(name, "") for name in CHOICES}
    chosen["NUAGES_ENV"] = environment or chosen["NUAGES_ENV"]
    about = json.dumps([os.path.realpath(root), *chosen.values()])
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.path.join(base, "nuages", "early", hashlib.sha256(about.encode()).hexdigest()[:24] + ".json")
