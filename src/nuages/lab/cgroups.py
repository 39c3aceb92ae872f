"""Each host is a control group of the outer machine, so its processes are limited, frozen and found from outside.

It must be in its group before it starts: hosts that share one would each see the other's processes as strangers in
its own services. Version 1 (one tree for each controller) and version 2 (one tree) differ in paths and file names only.
"""

from __future__ import annotations

import contextlib
import os

from nuages.errors import HostError
from nuages.lab.shell import read


MOUNT = "/sys/fs/cgroup"
V1_TREES = ("systemd", "unified", "memory", "cpu", "freezer", "pids")
V2_CONTROLLERS = "+memory +cpu +pids"
UNLIMITED = {"memory.limit_in_bytes": "-1", "memory.max": "max", "cpu.cfs_quota_us": "-1", "cpu.max": "max"}


def is_unified() -> bool:
    return os.path.exists(f"{MOUNT}/cgroup.controllers")


def trees() -> list[str]:
    """The roots under which a host has a folder."""
    if is_unified():
        return [MOUNT]
    return [path for tree in V1_TREES if os.path.isdir(path := f"{MOUNT}/{tree}")]


def groups(lab: str, host: str) -> list[str]:
    return [f"{tree}/nuages-lab/{lab}/{host}" for tree in trees()]


def make(lab: str, host: str) -> list[str]:
    """The files that a process writes its id to, to be in the host."""
    for group in groups(lab, host):
        os.makedirs(group, exist_ok=True)
    if is_unified():
        for above in (MOUNT, f"{MOUNT}/nuages-lab", f"{MOUNT}/nuages-lab/{lab}"):
            put(f"{above}/cgroup.subtree_control", V2_CONTROLLERS)
    return [f"{group}/cgroup.procs" for group in groups(lab, host)]


def for_visitors(lab: str, host: str) -> list[str]:
    """The same for a command that comes from outside. In version 2 a group with groups in it holds no processes."""
    if not is_unified():
        return [f"{group}/cgroup.procs" for group in groups(lab, host) if not group.startswith(f"{MOUNT}/unified/")]
    visitors = f"{groups(lab, host)[0]}/visitors"
    os.makedirs(visitors, exist_ok=True)
    return [f"{visitors}/cgroup.procs"]


def processes(lab: str, host: str) -> set[int]:
    found: set[int] = set()
    for group in groups(lab, host):
        for folder, _subfolders, _files in os.walk(group):
            found |= {int(pid) for pid in read(f"{folder}/cgroup.procs").split()}
    return found - {0}


def remove(lab: str, host: str = "") -> None:
    """The folders of a host that has no process any more, or of a lab without hosts."""
    for tree in trees():
        for folder, _subfolders, _files in os.walk(f"{tree}/nuages-lab/{lab}/{host}".rstrip("/"), topdown=False):
            with contextlib.suppress(OSError):
                os.rmdir(folder)
        with contextlib.suppress(OSError):
            os.rmdir(f"{tree}/nuages-lab")


def freeze(lab: str, host: str, *, frozen: bool) -> None:
    if is_unified():
        put(f"{groups(lab, host)[0]}/cgroup.freeze", "1" if frozen else "0")
    else:
        put(_v1_file("freezer", lab, host, "freezer.state"), "FROZEN" if frozen else "THAWED")


def is_frozen(lab: str, host: str) -> bool:
    if is_unified():
        return read(f"{groups(lab, host)[0]}/cgroup.freeze").strip() == "1"
    return read(f"{MOUNT}/freezer/nuages-lab/{lab}/{host}/freezer.state").strip() in ("FROZEN", "FREEZING")


def limit_memory(lab: str, host: str, amount: int | None) -> None:
    """Bytes for all processes of a host together, the files they hold in memory counted; None: no limit."""
    file = "memory.max" if is_unified() else "memory.limit_in_bytes"
    path = f"{groups(lab, host)[0]}/{file}" if is_unified() else _v1_file("memory", lab, host, file)
    put(path, UNLIMITED[file] if amount is None else str(amount))


def limit_cpu(lab: str, host: str, percent: int | None) -> None:
    """Percent of one core; None: no limit."""
    quota = None if percent is None else str(percent * 1000)
    if is_unified():
        put(f"{groups(lab, host)[0]}/cpu.max", "max 100000" if quota is None else f"{quota} 100000")
    else:
        put(_v1_file("cpu", lab, host, "cpu.cfs_quota_us"), quota or UNLIMITED["cpu.cfs_quota_us"])


def _v1_file(tree: str, lab: str, host: str, name: str) -> str:
    path = f"{MOUNT}/{tree}/nuages-lab/{lab}/{host}/{name}"
    if not os.path.exists(path):
        raise HostError(f"this machine's control groups have no {tree} controller", where=host, hint="see docs/guides/lab.md")
    return path


def put(path: str, value: str) -> None:
    try:
        with open(path, "w", encoding="utf-8") as file:
            file.write(value)
    except OSError as error:
        raise HostError(f"the kernel refused {value!r} for {path}: {error.strerror}", where="lab") from error
