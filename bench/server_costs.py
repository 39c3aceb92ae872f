"""What a deploy to servers costs: seconds, and processor seconds of the client and of the hosts, by control groups.

Groups rather than waited-for children: OpenSSH's shared connection and whatever a tool leaves running count too.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from measuring import FailedError

from nuages.lab import LabHost, cgroups


@dataclass(frozen=True)
class Cost:
    """Seconds of time; processor seconds of the client, and of all hosts together."""

    wall: float
    client: float
    hosts: float

    @property
    def cpu(self) -> float:
        return self.client + self.hosts


class Group:
    """A control group of the bench's own; `lab_group` is the one that a host of the lab is in already (version 2 only)."""

    def __init__(self, name: str, lab_group: str = "") -> None:
        if cgroups.is_unified():
            self.folder = Path(lab_group or f"{cgroups.MOUNT}/nuages-bench-{name}")
        else:
            self.folder = Path(f"{cgroups.MOUNT}/cpuacct/nuages-bench-{name}")
        self.folder.mkdir(exist_ok=True)

    @property
    def procs(self) -> Path:
        return self.folder / "cgroup.procs"

    def seconds(self) -> float:
        if cgroups.is_unified():
            return int((self.folder / "cpu.stat").read_text().split()[1]) / 1e6
        return int((self.folder / "cpuacct.usage").read_text()) / 1e9

    def adopt(self, pids: set[int]) -> None:
        for pid in pids:
            try:
                self.procs.write_text(str(pid))
            except ProcessLookupError:
                continue

    def remove(self) -> None:
        """With processes in it that stay for a minute (a shared connection), it stays too, empty after that."""
        try:
            self.folder.rmdir()
        except OSError:
            return


class Meter:
    """Of one way to deploy, on its hosts."""

    def __init__(self, name: str, hosts: Sequence[LabHost]) -> None:
        self.client = Group(f"client-{name}-{os.getpid()}")
        self.hosts = [self._of(host) for host in hosts]

    def _of(self, host: LabHost) -> Group:
        """What is started in a host later is a child of what is there now."""
        group = Group(f"{host.lab.name}-{host.name}", f"{cgroups.MOUNT}/nuages-lab/{host.lab.name}/{host.name}")
        if not cgroups.is_unified():
            group.adopt(cgroups.processes(host.lab.name, host.name))
        return group

    def run(self, argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], ok: Sequence[int] = (0,)) -> Cost:
        """Output is swallowed unless it fails."""
        inside = ("sh", "-c", 'echo $$ > "$0" && exec "$@"', str(self.client.procs), *argv)
        client, hosts = self.client.seconds(), self.host_seconds()
        started = time.perf_counter()
        done = subprocess.run(
            inside, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
        )
        wall = time.perf_counter() - started
        cost = Cost(wall, self.client.seconds() - client, self.host_seconds() - hosts)
        if done.returncode not in ok:
            raise FailedError(f"{' '.join(argv)}\n{done.stdout.decode(errors='replace')[-4000:]}")
        self.said = done.stdout.decode(errors="replace")
        return cost

    def host_seconds(self) -> float:
        return sum(group.seconds() for group in self.hosts)

    def close(self) -> None:
        for group in (self.client, *(self.hosts if not cgroups.is_unified() else ())):
            group.remove()
