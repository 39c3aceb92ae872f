"""What this machine must be for a lab, said in one line where it is not."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Collection

from nuages.errors import UsageError
from nuages.lab.shell import read


TOOLS = {
    "systemd-nspawn": "systemd-container",
    "debootstrap": "debootstrap",
    "nft": "nftables",
    "ip": "iproute2",
    "ssh-keygen": "openssh-client",
    "nsenter": "util-linux",
}


CAP_NET_ADMIN, CAP_SYS_ADMIN = 1 << 12, 1 << 21


def lacking(platform: str, user: int, capabilities: int, tools: Collection[str]) -> tuple[str, str]:
    """(what is not as it must be, what to do), both empty where a lab can stand (pure)."""
    if platform != "linux":
        return "the lab needs Linux", "run it in a Linux virtual machine, or rehearse on servers"
    if user != 0:
        return "the lab needs root: its hosts have networks and mounts of their own", "sudo nuages lab ..."
    if ~capabilities & (CAP_NET_ADMIN | CAP_SYS_ADMIN):
        return "the lab needs a root that may mount and make networks, which this container's may not", ""
    packages = [package for tool, package in TOOLS.items() if tool not in tools]
    if packages:
        return f"the lab needs {' and '.join(packages)}", f"apt-get install {' '.join(packages)}"
    return "", ""


def missing() -> tuple[str, str]:
    """The same for this machine."""
    status = read("/proc/self/status")
    capabilities = next((int(line.split()[1], 16) for line in status.splitlines() if line.startswith("CapEff:")), 0)
    return lacking(sys.platform, os.geteuid(), capabilities, {tool for tool in TOOLS if shutil.which(tool)})


def require() -> None:
    what, hint = missing()
    if what:
        raise UsageError(what, hint=hint)
