"""Who may come to a site's servers: what is written beside the site, and what lies in the logins' own files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nuages
from nuages.components.base.access import action_key, fingerprint, login_of, take_command
from nuages.components.base.facts import Facts
from nuages.engine.lock import deploy_lock
from nuages.engine.model import Seat
from nuages.hosts.command import Command


PROGRAM = Path(nuages.__file__).parent / "gate" / "keys.py"
HOST_KEYS = "cat /etc/ssh/ssh_host_*_key.pub"


@dataclass(frozen=True)
class Lying:
    """What one host has: the login that people use, the lines of its authorized_keys, and the key that we came by."""

    host: str
    login: str
    lines: tuple[str, ...]
    in_use: str

    @property
    def fingerprints(self) -> dict[str, str]:
        """Fingerprint -> what follows the key in its line: a name, by habit."""
        found = {}
        for line in self.lines:
            key, comment = plain_key(line)
            if key:
                found[fingerprint(key)] = comment
        return found


def plain_key(line: str) -> tuple[str, str]:
    """(type and base64, comment) of a line of authorized_keys(5), whatever options stand before it; ("", "") for what is none."""
    words = line.split()
    for index, word in enumerate(words[:-1]):
        if word.startswith(("ssh-", "ecdsa-", "sk-")) and words[index + 1].startswith("AAAA"):
            try:
                fingerprint(f"{word} {words[index + 1]}")
            except ValueError:
                break
            return f"{word} {words[index + 1]}", " ".join(words[index + 2 :])
    return "", ""


def look(seat: Seat) -> Lying:
    login = login_of(Facts.read(seat.live.machine.facts))
    command = Command(("python3", "-I", "-S", "-c", PROGRAM.read_text(encoding="utf-8"), login), timeout=60)
    told = json.loads(seat.transport.check(command).stdout)
    return Lying(seat.live.host.name, login, tuple(told["keys"]), told["in_use"])


def host_keys(seat: Seat) -> list[str]:
    """Lines as ssh-keyscan prints them, read over the connection that we trust already."""
    host = seat.live.host
    name = f"[{host.address or host.name}]:{host.port}" if host.port not in (0, 22) else host.address or host.name
    lines = seat.transport.check(Command(("/bin/sh", "-c", HOST_KEYS), timeout=30)).stdout.splitlines()
    return [f"{name} {' '.join(line.split()[:2])}" for line in lines if line.strip()]


def write_access(seats: Sequence[Seat], access: Mapping[str, Any], what: str) -> None:
    """What is wanted, on every host; the next plan makes it so."""
    for seat in seats:
        path = seat.live.layout / "access.json"
        op = {"op": "file", "path": str(path), "content": json.dumps(access, indent=1), "mode": 0o600}
        _written(seat, what, [op])


def take_keys(seat: Seat, lying: Lying, gone: Sequence[str]) -> None:
    """Lines with these fingerprints leave the login's file. The last one never does: the script refuses it on the host too."""
    site, notes = seat.live.layout.dir.name, []
    for line in lying.lines:
        key, _comment = plain_key(line)
        if key and fingerprint(key) in gone:
            seat.transport.check(take_command(lying.login, line))
            notes.append({"op": "undo_action", "key": action_key(site, fingerprint(key))})
    if notes:
        _written(seat, "keys taken away", notes)


def _written(seat: Seat, what: str, ops: Sequence[Mapping[str, Any]]) -> None:
    with deploy_lock(seat.transport, seat.live.layout, "access", reason=what) as token:
        step = {"text": f"~ {seat.live.host.name}  access: {what}", "deploy": token, "ops": list(ops)}
        seat.transport.write([step], str(seat.live.layout.journal), lambda _event: None)
