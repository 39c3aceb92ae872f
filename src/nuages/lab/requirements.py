"""What this machine must be for a lab, said in one line where it is not."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Collection

from nuages.errors import UsageError


TOOLS = {
    "systemd-nspawn": "systemd-container",
    "debootstrap": "debootstrap",
    "nft": "nftables",
    "ip": "iproute2",
    "ssh-keygen": "openssh-client",
    "nsenter": "util-linux",
}


def lacking(platform: str, user: int, tools: Collection[str]) -> tuple[str, str]:
    """(what is not as it must be, what to do), both empty where a lab can stand (pure)."""
    if platform != "linux":
        return "the lab needs Linux", "run it in a Linux virtual machine, or rehearse on servers"
    if user != 0:
        return "the lab needs root: its hosts have networks and mounts of their own", "sudo nuages lab ..."
    packages = [package for tool, package in TOOLS.items() if tool not in tools]
    if packages:
        return f"the lab needs {' and '.join(packages)}", f"apt-get install {' '.join(packages)}"
    return "", ""


def missing() -> tuple[str, str]:
    """The same for this machine."""
    return lacking(sys.platform, os.geteuid(), {tool for tool in TOOLS if shutil.which(tool)})


def require() -> None:
    what, hint = missing()
    if what:
        raise UsageError(what, hint=hint)
