"""What this machine must be for a lab, said in one line where it is not."""

from __future__ import annotations

import os
import shutil
import sys

from nuages.errors import UsageError


TOOLS = {
    "systemd-nspawn": "systemd-container",
    "debootstrap": "debootstrap",
    "nft": "nftables",
    "ip": "iproute2",
    "ssh-keygen": "openssh-client",
    "nsenter": "util-linux",
}


def missing() -> tuple[str, str]:
    """(what is not as it must be, what to do), both empty where a lab can stand."""
    if sys.platform != "linux":
        return "the lab needs Linux", "run it in a Linux virtual machine, or rehearse on servers"
    if os.geteuid() != 0:
        return "the lab needs root: its hosts have networks and mounts of their own", "sudo nuages lab ..."
    lacking = [package for tool, package in TOOLS.items() if not shutil.which(tool)]
    if lacking:
        return f"the lab needs {', '.join(lacking)}", f"apt-get install {' '.join(lacking)}"
    if not os.path.isdir("/sys/fs/cgroup"):
        return "the lab needs control groups at /sys/fs/cgroup", ""
    return "", ""


def require() -> None:
    what, hint = missing()
    if what:
        raise UsageError(what, hint=hint)
