"""Links, the bridge and the rules of a lab on the outer machine.

Each host has a network namespace that exists before it boots, so its address is there from the first moment and
survives a reboot. The namespace is held by a mount on a file of the host's folder, not by one in /run/netns.
"""

from __future__ import annotations

import contextlib
import os

from nuages.lab import store
from nuages.lab.addresses import Addresses
from nuages.lab.shell import must, read, tried, write


FORWARD = "/proc/sys/net/ipv4/ip_forward"


def lay(at: Addresses) -> None:
    """The lab's bridge, and its way out. Making it again changes nothing."""
    if not os.path.isdir(f"/sys/class/net/{at.bridge}"):
        must("ip", "link", "add", at.bridge, "type", "bridge")
    tried("ip", "address", "add", f"{at.gateway}/24", "dev", at.bridge)
    must("ip", "link", "set", at.bridge, "up")
    must("nft", "-f", "-", stdin=masquerade(at))
    allow_forwarding()


def masquerade(at: Addresses) -> str:
    """nft's own words. A table is emptied by naming it before it is deleted, so this can be said twice."""
    rule = f"ip saddr {at.network} ip daddr != 198.18.0.0/15 masquerade"
    return (
        f"table ip {at.table}\ndelete table ip {at.table}\n"
        f"table ip {at.table} {{ chain out {{ type nat hook postrouting priority 100; {rule}\n }}\n}}\n"
    )


def allow_forwarding() -> None:
    """What it was is kept, and put back when the last lab goes."""
    before = f"{store.base()}/ip_forward"
    if read(FORWARD).strip() == "0":
        write(before, "0\n")
        write_sysctl("1")


def restore_forwarding() -> None:
    before = f"{store.base()}/ip_forward"
    if os.path.exists(before):
        write_sysctl(read(before).strip())
        os.unlink(before)


def write_sysctl(value: str) -> None:
    with open(FORWARD, "w", encoding="utf-8") as file:
        file.write(value)


def lift(at: Addresses) -> None:
    """Take away the lab's bridge and rules."""
    tried("ip", "link", "delete", at.bridge)
    for family in ("ip", "bridge"):
        tried("nft", "delete", "table", family, at.table)


def plug(at: Addresses, number: int, namespace: str) -> None:
    """A namespace for the host, its cable, its address."""
    unplug(at, number, namespace)
    with open(namespace, "w", encoding="utf-8"):
        pass
    must("unshare", f"--net={namespace}", "true")
    inside = ("nsenter", f"--net={namespace}")
    must(*inside, "ip", "link", "add", "eth0", "type", "veth", "peer", "name", at.link(number), "netns", str(os.getpid()))
    must(*inside, "ip", "-batch", "-", stdin=inner_links(at, number))
    must("ip", "link", "set", at.link(number), "master", at.bridge, "up")


def inner_links(at: Addresses, number: int) -> str:
    return (
        "link set lo up\n"
        f"address add {at.host(number)}/24 broadcast {at.prefix}.255 dev eth0\n"
        "link set eth0 up\n"
        f"route add default via {at.gateway}\n"
    )


def unplug(at: Addresses, number: int, namespace: str) -> None:
    if os.path.isdir(f"/sys/class/net/{at.link(number)}"):
        tried("ip", "link", "delete", at.link(number))
    while tried("umount", namespace).ok:
        pass
    with contextlib.suppress(FileNotFoundError):
        os.unlink(namespace)
