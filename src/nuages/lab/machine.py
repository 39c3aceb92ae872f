"""One host as processes and mounts of the outer machine: made, booted, cut off, taken away."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import socket
import subprocess
import time
import uuid

from nuages.errors import HostError
from nuages.hosts.command import Result
from nuages.lab import cgroups, image, network, store
from nuages.lab.shell import must, read, tried, unmount_below, write
from nuages.lab.store import HostRecord, LabRecord


REBOOT = 39  # SIGRTMIN+5, which systemd as PID 1 takes for "reboot"
CHILDREN: list[subprocess.Popen[bytes]] = []  # never waited for, and kept so that Popen does not complain of it
INSIDE = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "USER": "root",
}


def place(lab: LabRecord, host: HostRecord, *parts: str) -> str:
    return store.lab_path(lab.name, "hosts", host.name, *parts)


def make(lab: LabRecord, host: HostRecord) -> None:
    """The host's disk: what it changes lies over the image, in a folder or in a memory disk of a given size."""
    image_root = image.ensure(host.image)
    disk = place(lab, host)
    if host.disk:
        disk = place(lab, host, "disk")
        os.makedirs(disk, exist_ok=True)
        must("mount", "-t", "tmpfs", "-o", f"size={host.disk},mode=0755", "nuages-lab", disk)
    for name in ("upper", "work"):
        os.makedirs(f"{disk}/{name}", mode=0o755, exist_ok=True)
    root = place(lab, host, "root")
    os.makedirs(root, exist_ok=True)
    lower = f"{store.folder('cache', f'debs-{host.image}')}:{image_root}"
    options = f"lowerdir={lower},upperdir={disk}/upper,workdir={disk}/work"
    must("mount", "-t", "overlay", "nuages-lab", "-o", options, root)
    write_identity(lab, host, root)


def write_identity(lab: LabRecord, host: HostRecord, root: str) -> None:
    if os.path.exists(f"{root}/etc/machine-id"):
        return  # a disk from before this machine was restarted
    write(f"{root}/etc/machine-id", uuid.uuid4().hex + "\n", 0o444)
    write(f"{root}/etc/hostname", host.name + "\n")
    write(f"{root}/etc/hosts", f"127.0.0.1 localhost\n127.0.1.1 {host.name}\n::1 localhost ip6-localhost ip6-loopback\n")
    write(f"{root}/etc/resolv.conf", image.resolv_conf())
    must("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"root@{host.name}", "-f", f"{root}/etc/ssh/ssh_host_ed25519_key")


def boot(lab: LabRecord, host: HostRecord) -> HostRecord:
    """Start it, as a process that outlives this one. `wait` tells when it answers."""
    script = place(lab, host, "boot")
    write(script, launcher(lab, host, cgroups.make(lab.name, host.name)))
    with open(place(lab, host, "console"), "ab") as console:
        child = subprocess.Popen(
            ["/bin/sh", script],
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd="/",
            env={"PATH": INSIDE["PATH"], "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "network"},
        )
    CHILDREN.append(child)
    return host.with_(machine=store.process_mark(child.pid))


def launcher(lab: LabRecord, host: HostRecord, groups: list[str]) -> str:
    """For sh: plugs the cable in and starts nspawn, again for each reboot, which nspawn tells by its status 133.

    This shell stays out of the host's groups, so a frozen host can still be ended.
    """
    enter = "\n".join(f"    echo $$ > {shlex.quote(group)}" for group in groups)
    return (
        "# A host of the lab; nuages lab writes it for each boot.\n"
        "while :; do\n"
        f"{network.plugging(lab.addresses, host.number, place(lab, host, 'netns'))}"
        f"sh -c '\n{enter}\n    exec {shlex.join(nspawn(lab, host))}\n'\n"
        "[ $? = 133 ] || exit\n"
        "done\n"
    )


def nspawn(lab: LabRecord, host: HostRecord) -> list[str]:
    """nspawn itself is in the host's network already, or /sys would show the links of the outer machine."""
    netns, root = place(lab, host, "netns"), place(lab, host, "root")
    shared = {f"debs-{host.image}/var/cache/apt/archives": "debs", "pip": "pip", "uv": "uv"}
    binds = [f"--bind={store.folder('cache', here)}:/var/cache/nuages-lab/{there}" for here, there in shared.items()]
    return [
        *("nsenter", f"--net={netns}", "systemd-nspawn", "--quiet", "--boot", "--register=no", "--keep-unit"),
        *(f"--network-namespace-path={netns}", "--capability=CAP_NET_ADMIN,CAP_NET_RAW", "--resolv-conf=off"),
        *("--timezone=off", "--link-journal=no", f"--hostname={host.name}", f"--machine={machine_name(lab, host)}"),
        *(*binds, f"--directory={root}"),
    ]


def machine_name(lab: LabRecord, host: HostRecord) -> str:
    return f"{lab.addresses.bridge}-{host.name}"  # names of both together could be longer than nspawn takes


def wait(lab: LabRecord, host: HostRecord, *, seconds: float = 60) -> None:
    """Until its sshd has said hello; a host that stops before says why in its console."""
    deadline = time.monotonic() + seconds
    while not answers(lab.addresses.host(host.number)):
        if not store.alive(host.machine) or time.monotonic() > deadline:
            why = "did not answer" if store.alive(host.machine) else "stopped while it booted"
            raise HostError(why, where=host.name, detail="\n".join(read(place(lab, host, "console")).splitlines()[-12:]))
        time.sleep(0.02)


def answers(address: str) -> bool:
    try:
        # A first packet that came too early would be sent again only after a second.
        with socket.create_connection((address, 22), timeout=0.1) as connection:
            connection.settimeout(2)
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def init(lab: LabRecord, host: HostRecord) -> int:
    """The host's PID 1, by its id out here; 0 when it is off. It shows a moment after nspawn does, so ask again."""
    for pid in cgroups.processes(lab.name, host.name):
        numbers = [line.split()[1:] for line in read(f"/proc/{pid}/status").splitlines() if line.startswith("NSpid:")]
        if numbers and len(numbers[0]) > 1 and numbers[0][-1] == "1" and read(f"/proc/{pid}/comm").strip() == "systemd":
            return pid
    return 0


def run(lab: LabRecord, host: HostRecord, argv: tuple[str, ...], *, stdin: str = "", timeout: float = 120) -> Result:
    """A command inside, by the kernel's ways and not by ssh: it works while the host is cut off."""
    pid = init(lab, host)
    if not pid:
        raise HostError("is off", where=host.name, hint=f"nuages lab up {host.name}")
    enter = " ".join(f"echo $$ > {shlex.quote(group)};" for group in cgroups.for_visitors(lab.name, host.name))
    known = dict(line.split("=", 1) for line in read(place(lab, host, "root", "etc/environment")).splitlines() if "=" in line)
    command = ["nsenter", f"--target={pid}", "-m", "-u", "-i", "-n", "-p", "-r", "-w", "--", *argv]
    return tried("/bin/sh", "-c", f"{enter} exec {shlex.join(command)}", stdin=stdin, timeout=timeout, env=INSIDE | known)


def kill(lab: LabRecord, host: HostRecord) -> None:
    """As by power loss: everything at once, nothing said. The shell that would boot it again goes first."""
    if store.alive(host.machine):
        os.kill(int(host.machine.split()[0]), signal.SIGKILL)
    if not any(os.path.isdir(group) for group in cgroups.groups(lab.name, host.name)):
        return
    if cgroups.is_frozen(lab.name, host.name):
        cgroups.freeze(lab.name, host.name, frozen=False)
    deadline = time.monotonic() + 10
    pid = init(lab, host)
    if pid:
        os.kill(pid, signal.SIGKILL)  # nspawn sees it and cleans up after itself
        _wait_for_end(lab, host, time.monotonic() + 1)
    while left := cgroups.processes(lab.name, host.name):
        for pid in left:
            _kill(pid)
        if time.monotonic() > deadline:
            raise HostError(f"{len(left)} processes can't be ended", where=host.name)
        time.sleep(0.02)
    for child in CHILDREN:
        child.poll()  # those of this process stay as zombies until they are asked


def _wait_for_end(lab: LabRecord, host: HostRecord, deadline: float) -> None:
    while cgroups.processes(lab.name, host.name) and time.monotonic() < deadline:
        time.sleep(0.02)


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def take_away(lab: LabRecord, host: HostRecord) -> None:
    """All that was ever made for it, in whatever state that is."""
    kill(lab, host)
    cgroups.remove(lab.name, host.name)
    network.unplug(lab.addresses, host.number, place(lab, host, "netns"))
    network.heal(lab.addresses, host.number)
    unmount_below(place(lab, host))
    shutil.rmtree(f"/run/systemd/nspawn/propagate/{machine_name(lab, host)}", ignore_errors=True)
    shutil.rmtree(place(lab, host), ignore_errors=True)
