"""A lab: hosts that share a bridge, a number and a name. Several labs stand beside each other."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from types import TracebackType
from typing import Self

from nuages.errors import UsageError
from nuages.lab import addresses, cgroups, image, machine, network, sshconfig, store
from nuages.lab.host import LabHost
from nuages.lab.requirements import require
from nuages.lab.shell import write
from nuages.lab.store import HostRecord, LabRecord


DEFAULT, NEWEST = "lab", "13"


class Lab:
    """`with Lab("mine", owner=True) as lab: web, = lab.up("web-1")` leaves nothing behind, however it ends: a process
    waits for the end of the owner (this process) and takes the lab away then. Without an owner hosts stay."""

    def __init__(self, name: str = "", *, owner: bool = False) -> None:
        self.name = addresses.checked_name(name or os.environ.get("NUAGES_LAB") or DEFAULT, "lab")
        self.owner = store.process_mark(os.getpid()) if owner else ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.down()

    @property
    def hosts(self) -> list[LabHost]:
        record = store.load_lab(self.name)
        return [LabHost(record, host.name) for host in store.hosts(self.name)] if record else []

    @property
    def ssh_config(self) -> str:
        return store.lab_path(self.name, "ssh_config")

    def host(self, name: str) -> LabHost:
        found = [host for host in self.hosts if host.name == name]
        if not found:
            raise UsageError(f"no host {name!r} in the lab {self.name}", hint="nuages lab status lists them")
        return found[0]

    def up(self, *names: str, image: str = "", disk: str = "", say: Callable[[str], None] = lambda line: None) -> list[LabHost]:
        """Boot these hosts; those that are on stay as they are, those that are off get their disk back."""
        require()
        for name in names:
            addresses.checked_name(name)
        os.chmod(store.folder(), 0o700)  # an image has setuid programs, which are not for the people of this machine
        reap()
        prepare_images(self.name, names, image or NEWEST, say)
        with store.locked(f"lab-{self.name}"):
            lab = self._standing()
            network.lay(lab.addresses)
            try:
                _booted(lab, names, image, disk)
            except BaseException:
                for host in _half_made(lab.name, by=store.process_mark(os.getpid())):
                    machine.take_away(lab, host)
                raise
            finally:
                self._write_ssh(lab)
        return [LabHost(lab, name) for name in dict.fromkeys(names)]

    def down(self, *names: str) -> list[str]:
        """Take these hosts away, or the whole lab; says which."""
        require()
        with store.locked(f"lab-{self.name}"):
            lab = store.load_lab(self.name)
            if lab is None:
                store.forget_lock(f"lab-{self.name}")
                return []
            gone = [host for host in store.hosts(self.name) if not names or host.name in names]
            for host in gone:
                machine.take_away(lab, host)
            if names and (store.hosts(self.name) or lab.owner):  # an owner has its lab, and its one watcher, to its end
                self._write_ssh(lab)
            else:
                _dissolve(lab)
        return [host.name for host in gone]

    def _standing(self) -> LabRecord:
        """Its record; a new lab takes the lowest free number. The default one has number 0 as long as nobody else has."""
        with store.locked("labs"):
            record = store.load_lab(self.name)
            if record is None:
                taken = {lab.number for lab in store.labs()}
                first = 0 if self.name == DEFAULT else 1
                number = addresses.free_number(taken, first=first, last=addresses.LABS - 1, what="lab")
                record = LabRecord(self.name, number, self.owner)
                store.save_lab(record)
                if self.owner:
                    watch(self.name)
        return record

    def _write_ssh(self, lab: LabRecord) -> None:
        hosts = [LabHost(lab, host.name) for host in store.hosts(lab.name)]
        known = store.lab_path(lab.name, "known_hosts")
        key = os.path.join(store.base(), "key")
        write(known, sshconfig.known_hosts([(host.name, host.address, host.public_host_key) for host in hosts]))
        pairs = [(host.name, host.address) for host in hosts]
        write(self.ssh_config, sshconfig.ssh_config(pairs, key=key, known_hosts=known))
        write(os.path.join(store.base(), "ssh_config"), f"Include {store.base()}/labs/*/ssh_config\n")


def prepare_images(lab: str, names: tuple[str, ...], version: str, say: Callable[[str], None]) -> None:
    """Before any host is made, and before anybody else has to wait for this lab."""
    there = {host.name: host.image for host in store.hosts(lab)}
    for wanted in sorted({there.get(name, version) for name in names}):
        image.ensure(wanted, say)


def _booted(lab: LabRecord, names: tuple[str, ...], version: str, disk: str) -> None:
    """All are started before the first is waited for."""
    started = [_started(lab, name, version, disk) for name in dict.fromkeys(names)]
    for host in started:
        machine.wait(lab, host)
        store.save_host(lab.name, host.with_(maker=""))


def _started(lab: LabRecord, name: str, version: str, disk: str) -> HostRecord:
    record = store.load_host(lab.name, name)
    if record and ((version and version != record.image) or (disk and disk != record.disk)):
        raise UsageError(f"is there with {_told(record)}", where=name, hint=f"nuages lab down {name}, or leave the option out")
    if record and store.alive(record.machine):
        return record
    if record is None:
        taken = {host.number for host in store.hosts(lab.name)}
        number = addresses.free_number(taken, first=addresses.FIRST_HOST, last=addresses.LAST_HOST, what="host")
        record = store.save_host(lab.name, HostRecord(name, number, version or NEWEST, disk, store.process_mark(os.getpid())))
    if not os.path.ismount(machine.place(lab, record, "root")):
        machine.make(lab, record)
    return store.save_host(lab.name, machine.boot(lab, record))


def _told(host: HostRecord) -> str:
    return f"Debian {host.image}" + (f" and a disk of {host.disk}" if host.disk else "")


def _half_made(lab: str, *, by: str = "") -> list[HostRecord]:
    """Hosts that this process was making, or (without `by`) one that died over it."""
    return [host for host in store.hosts(lab) if host.maker and (host.maker == by if by else not store.alive(host.maker))]


def _dissolve(lab: LabRecord) -> None:
    """Under the lab's own lock, which goes with it."""
    with store.locked("labs"):
        cgroups.remove(lab.name)
        network.lift(lab.addresses)
        shutil.rmtree(store.lab_path(lab.name), ignore_errors=True)
        if not store.labs():
            network.restore_forwarding()
    store.forget_lock(f"lab-{lab.name}")


def reap() -> None:
    """Take away labs whose owner is gone, as when the watcher was killed together with the tests, and hosts whose `up`
    was killed before they stood."""
    for lab in store.labs():
        if lab.owner and not store.alive(lab.owner):
            end(lab)
        elif _half_made(lab.name):
            with store.locked(f"lab-{lab.name}"):
                for host in _half_made(lab.name):
                    machine.take_away(lab, host)


def end(lab: LabRecord) -> None:
    """Take a lab away, unless it is another's of the same name by now."""
    with store.locked(f"lab-{lab.name}"):
        now = store.load_lab(lab.name)
        if now is None:
            store.forget_lock(f"lab-{lab.name}")
        elif now == lab:
            for host in store.hosts(lab.name):
                machine.take_away(lab, host)
            _dissolve(lab)


def watch(name: str) -> None:
    """A process of its own session, so that it outlives whatever kills the owner's."""
    child = subprocess.Popen(
        [sys.executable, "-m", "nuages.lab.watcher", name],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        cwd="/",
    )
    machine.CHILDREN.append(child)
