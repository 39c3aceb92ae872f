"""Where the lab keeps what it has on this machine, and what it writes down before it does anything.

/var/lib/nuages-lab
├── images/debian-13        one folder for each image, shared by all labs
├── cache/                  packages: debs-13, pip, uv, bootstrap-13
├── key, key.pub            opens every host of every lab here
├── ssh_config              includes those of the labs
└── labs/NAME/              lab.json, ssh_config, known_hosts, hosts/web-1/{host.json,upper,work,root,console}

A record is written before the thing it is about is made, so that `down` finds what a killed `up` left.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

from nuages.lab.addresses import Addresses
from nuages.lab.shell import must, read, write


def base() -> str:
    return os.environ.get("NUAGES_LAB_ROOT", "/var/lib/nuages-lab")


def folder(*parts: str) -> str:
    path = os.path.join(base(), *parts)
    os.makedirs(path, exist_ok=True)
    return path


def image(version: str) -> str:
    return os.path.join(base(), "images", f"debian-{version}")


def lab_path(name: str, *parts: str) -> str:
    return os.path.join(base(), "labs", name, *parts)


def public_key() -> str:
    """The lab's key; made when it is first asked for."""
    key = os.path.join(folder(), "key")
    with locked("key"):
        if not os.path.exists(key + ".pub"):
            must("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "nuages-lab", "-f", key)
    return key + ".pub"


@contextlib.contextmanager
def locked(what: str) -> Iterator[None]:
    """The kernel lets go of it when its holder dies, so no lock outlives a killed command."""
    path = os.path.join(folder("locks"), what)
    while True:
        with open(path, "w", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if not _is_still(file.fileno(), path):
                continue  # its last holder forgot it while we waited
            yield
            return


def forget_lock(what: str) -> None:
    """By its holder; whoever waits for it makes another."""
    os.unlink(os.path.join(base(), "locks", what))


def _is_still(opened: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(opened), os.stat(path))
    except FileNotFoundError:
        return False


@dataclass(frozen=True)
class LabRecord:
    """`owner` is the process whose end is the lab's end ("" where none): its id, and when it started."""

    name: str
    number: int
    owner: str = ""

    @property
    def addresses(self) -> Addresses:
        return Addresses(self.number)


@dataclass(frozen=True)
class HostRecord:
    """`maker` is the process that is making it; "" once it stands. `machine` is nspawn's process."""

    name: str
    number: int
    image: str
    disk: str = ""
    maker: str = ""
    machine: str = ""

    def with_(self, **changes: Any) -> HostRecord:
        return replace(self, **changes)


def process_mark(pid: int) -> str:
    """A process and no other that gets its number later: the id and the tick it started at; "" when it is gone."""
    text = read(f"/proc/{pid}/stat")
    fields = text.rpartition(")")[2].split()
    return f"{pid} {fields[19]}" if fields and fields[0] not in "ZX" else ""


def alive(mark: str) -> bool:
    return bool(mark) and process_mark(int(mark.split(maxsplit=1)[0])) == mark


def labs() -> list[LabRecord]:
    names = sorted(os.listdir(os.path.join(base(), "labs"))) if os.path.isdir(os.path.join(base(), "labs")) else []
    return [record for name in names if (record := load_lab(name))]


def load_lab(name: str) -> LabRecord | None:
    text = read(lab_path(name, "lab.json"))
    return LabRecord(**json.loads(text)) if text else None


def save_lab(record: LabRecord) -> None:
    write(lab_path(record.name, "lab.json"), json.dumps(asdict(record)) + "\n")


def hosts(lab: str) -> list[HostRecord]:
    where = lab_path(lab, "hosts")
    names = os.listdir(where) if os.path.isdir(where) else []
    found = [load_host(lab, name) for name in names]
    return sorted((record for record in found if record), key=lambda record: record.number)


def load_host(lab: str, name: str) -> HostRecord | None:
    text = read(lab_path(lab, "hosts", name, "host.json"))
    return HostRecord(**json.loads(text)) if text else None


def save_host(lab: str, record: HostRecord) -> HostRecord:
    write(lab_path(lab, "hosts", record.name, "host.json"), json.dumps(asdict(record)) + "\n")
    return record
