"""Carries faults out, from outside wherever the kernel lets us: a host that is broken can't break itself further."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from typing import Any

from nuages.errors import HostError, UsageError
from nuages.lab import cgroups, faults, machine, network, store
from nuages.lab.shell import read
from nuages.lab.store import HostRecord, LabRecord


SIGNALS = {faults.Kill: signal.SIGKILL, faults.Hang: signal.SIGSTOP, faults.Resume: signal.SIGCONT}
CLOCK = """\
set -e
unit=$1 offset=$2 file=/run/systemd/system/$1.d/lab-clock.conf
if [ -z "$offset" ]; then rm -f "$file"
else
  library=$(ls /usr/lib/*/faketime/libfaketime.so.1 2>/dev/null) || {
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q libfaketime >&2
    library=$(ls /usr/lib/*/faketime/libfaketime.so.1)
  }
  mkdir -p "${file%/*}"
  printf '[Service]\\nEnvironment=LD_PRELOAD=%s FAKETIME=%s FAKETIME_DONT_FAKE_MONOTONIC=1\\n' "$library" "$offset" > "$file"
fi
systemctl daemon-reload
systemctl restart "$unit"
"""


def inflict(lab: LabRecord, host: HostRecord, fault: faults.Fault) -> None:
    CARRIED_OUT[type(fault)](lab, host, fault)


def send_signal(lab: LabRecord, host: HostRecord, fault: faults.Signal) -> None:
    """Children that a supervisor starts meanwhile are not hit: the processes are those of this moment."""
    _must_be_on(lab, host)
    found = [pid for pid in cgroups.processes(lab.name, host.name) if is_meant(pid, fault.process)]
    if not found:
        raise UsageError(f"no process {fault.process!r} runs", where=host.name, hint="a program's name, a unit or a process id")
    for pid in found:
        os.kill(pid, SIGNALS[type(fault)])


def is_meant(pid: int, process: str) -> bool:
    """By the name of its program, by its unit, or by its id as the host counts. PID 1 is never meant by a name."""
    numbers = next((line.split()[1:] for line in read(f"/proc/{pid}/status").splitlines() if line.startswith("NSpid:")), [])
    if len(numbers) == 1:
        return False  # nspawn: in the host's groups, but not inside
    if process.isdigit():
        return numbers[-1:] == [process]
    if process.endswith((".service", ".scope", ".socket")):
        return f"/{process}" in read(f"/proc/{pid}/cgroup")
    words = read(f"/proc/{pid}/cmdline").split("\0")
    names = {read(f"/proc/{pid}/comm").strip(), os.path.basename(words[0]).rstrip(":")}
    return numbers[-1:] != ["1"] and process in names


def power_off(lab: LabRecord, host: HostRecord, fault: faults.PowerOff) -> None:
    """Cut off first: the kernel would say goodbye (RST) for each connection of a killed process; a dead machine doesn't."""
    network.cut(lab.addresses, host.number)
    machine.kill(lab, host)
    network.unplug(lab.addresses, host.number, machine.place(lab, host, "netns"))
    network.heal(lab.addresses, host.number)
    store.save_host(lab.name, host.with_(machine=""))


def power_on(lab: LabRecord, host: HostRecord, fault: faults.PowerOn) -> None:
    if store.alive(host.machine):
        return
    booted = store.save_host(lab.name, machine.boot(lab, host))
    machine.wait(lab, booted)


def reboot(lab: LabRecord, host: HostRecord, fault: faults.Reboot) -> None:
    """Comes back when the old system is gone; `LabHost.wait` waits for the new one."""
    pid = _must_be_on(lab, host)
    mark = store.process_mark(pid)
    os.kill(pid, machine.REBOOT)
    deadline = time.monotonic() + 120  # systemd gives a unit 90 s to stop
    while store.alive(mark):
        if time.monotonic() > deadline:
            raise HostError("does not stop", where=host.name)
        time.sleep(0.02)


def cut(lab: LabRecord, host: HostRecord, fault: faults.Cut) -> None:
    peer = store.load_host(lab.name, fault.peer) if fault.peer else None
    if fault.peer and peer is None:
        raise UsageError(f"no host {fault.peer!r} in the lab", hint="nuages lab status lists them")
    network.cut(lab.addresses, host.number, one_way=fault.one_way, loss=fault.loss, peer=peer.number if peer else 0)


def fill_disk(lab: LabRecord, host: HostRecord, fault: faults.FillDisk) -> None:
    """With a file beside what the host sees of its disk: it finds no room, and nothing to delete."""
    if not host.disk:
        raise UsageError(
            "has no disk of its own size, and this machine's is not to be filled", where=host.name, hint="lab up --disk 2G"
        )
    disk = machine.place(lab, host, "disk")
    free_disk(lab, host, faults.FreeDisk())
    state = os.statvfs(disk)
    amount = state.f_bavail * state.f_frsize - fault.leave
    if amount > 0:
        with open(f"{disk}/ballast", "wb") as file:
            os.posix_fallocate(file.fileno(), 0, amount)


def free_disk(lab: LabRecord, host: HostRecord, fault: faults.FreeDisk) -> None:
    ballast = machine.place(lab, host, "disk", "ballast")
    if os.path.exists(ballast):
        os.unlink(ballast)


def skew_clock(lab: LabRecord, host: HostRecord, fault: faults.Clock) -> None:
    done = machine.run(lab, host, ("sh", "-c", CLOCK, "clock", fault.unit, fault.offset), timeout=300)
    if not done.ok:
        raise HostError(f"the clock of {fault.unit} can't be set", where=host.name, detail=done.tail())


def _must_be_on(lab: LabRecord, host: HostRecord) -> int:
    pid = machine.init(lab, host)
    if not pid:
        raise HostError("is off", where=host.name, hint=f"nuages lab up {host.name}")
    return pid


CARRIED_OUT: dict[type, Callable[[LabRecord, HostRecord, Any], None]] = {
    faults.Kill: send_signal,
    faults.Hang: send_signal,
    faults.Resume: send_signal,
    faults.PowerOff: power_off,
    faults.PowerOn: power_on,
    faults.Reboot: reboot,
    faults.Freeze: lambda lab, host, fault: cgroups.freeze(lab.name, host.name, frozen=True),
    faults.Thaw: lambda lab, host, fault: cgroups.freeze(lab.name, host.name, frozen=False),
    faults.Cut: cut,
    faults.Heal: lambda lab, host, fault: network.heal(lab.addresses, host.number),
    faults.FillDisk: fill_disk,
    faults.FreeDisk: free_disk,
    faults.Memory: lambda lab, host, fault: cgroups.limit_memory(lab.name, host.name, fault.amount),
    faults.Cpu: lambda lab, host, fault: cgroups.limit_cpu(lab.name, host.name, fault.percent),
    faults.Bandwidth: lambda lab, host, fault: network.limit(
        lab.addresses, host.number, machine.place(lab, host, "netns"), fault.rate
    ),
    faults.Clock: skew_clock,
}
