"""A host of a lab, as tests and verbs hold it."""

from __future__ import annotations

import os

from nuages.errors import CommandError, UsageError
from nuages.hosts.command import Result
from nuages.lab import machine, store
from nuages.lab.faults import Fault
from nuages.lab.inflict import inflict
from nuages.lab.shell import read
from nuages.lab.store import HostRecord, LabRecord


class LabHost:
    """Its state is asked of the machine each time; an object outlives a reboot, a power loss and a `down`."""

    def __init__(self, lab: LabRecord, name: str) -> None:
        self.lab, self.name = lab, name

    def __repr__(self) -> str:
        return f"LabHost({self.lab.name}/{self.name})"

    @property
    def record(self) -> HostRecord:
        record = store.load_host(self.lab.name, self.name)
        if record is None:
            raise UsageError(f"no host {self.name!r} in the lab", hint="nuages lab status lists them")
        return record

    @property
    def address(self) -> str:
        return self.lab.addresses.host(self.record.number)

    @property
    def ssh_config(self) -> str:
        return store.lab_path(self.lab.name, "ssh_config")

    @property
    def known_hosts(self) -> str:
        return store.lab_path(self.lab.name, "known_hosts")

    @property
    def identity(self) -> str:
        return os.path.join(store.base(), "key")

    @property
    def ssh_options(self) -> tuple[str, ...]:
        """For ssh, scp and rsync's -e; the host is then its name."""
        return ("-F", self.ssh_config)

    @property
    def public_host_key(self) -> str:
        return read(machine.place(self.lab, self.record, "root", "etc/ssh/ssh_host_ed25519_key.pub"))

    @property
    def state(self) -> str:
        """on, off, or booting."""
        record = self.record
        if not store.alive(record.machine):
            return "off"
        return "on" if machine.answers(self.address) else "no answer"

    def wait(self, seconds: float = 60) -> None:
        """Until its sshd answers, as after a reboot."""
        machine.wait(self.lab, self.record, seconds=seconds)

    def fault(self, fault: Fault) -> None:
        """`host.fault(Cut(loss=20))`: the values are in `nuages.lab.faults`."""
        inflict(self.lab, self.record, fault)

    def run(self, *command: str, stdin: str = "", timeout: float = 120) -> Result:
        """Inside, as root and not by ssh. One word is a script for sh; more are a program and its arguments."""
        argv = ("sh", "-c", command[0]) if len(command) == 1 else command
        return machine.run(self.lab, self.record, argv, stdin=stdin, timeout=timeout)

    def must(self, *command: str, stdin: str = "", timeout: float = 120) -> str:
        """Its standard output; a failure raises with the end of what it said."""
        result = self.run(*command, stdin=stdin, timeout=timeout)
        if not result.ok:
            raise CommandError(f"ended with {result.status}: {command[0][:60]}", where=self.name, detail=result.tail(12))
        return result.stdout
