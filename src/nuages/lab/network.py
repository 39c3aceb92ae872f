"""Links, the bridge and the rules of a lab, as nft's and ip's own words; `lay` and `lift` carry them out.

A host gets a new network namespace each time it boots, so that what a reboot takes (firewall rules, sysctls, added
addresses) is really gone. It exists before the host does, so its address is there from the first moment. It is held by
a mount on a file of the host's folder, not by one in /run/netns.
"""

from __future__ import annotations

import contextlib
import os
import shlex

from nuages.lab import store
from nuages.lab.addresses import Addresses
from nuages.lab.shell import must, read, tried, write


FORWARD = "/proc/sys/net/ipv4/ip_forward"


def masquerade(at: Addresses) -> str:
    """A table is emptied by naming it before it is deleted, so this can be said twice."""
    return (
        f"table ip {at.table}\ndelete table ip {at.table}\n"
        f"table ip {at.table} {{\n"
        "    chain out {\n"
        "        type nat hook postrouting priority 100;\n"
        f"        ip saddr {at.network} ip daddr != 198.18.0.0/15 masquerade\n"
        "    }\n"
        "}\n"
    )


def plugging(at: Addresses, number: int, namespace: str) -> str:
    """For sh: a new namespace with the host's cable and address. The cable's other end keeps its name and the host its
    hardware address, so rules about them hold over a reboot, and neighbours don't look for a stranger."""
    file, link = shlex.quote(namespace), at.link(number)
    hardware = f"02:00:12:{at.number // 256:02x}:{at.number % 256:02x}:{number:02x}"
    return f"""\
ip link delete {link} 2>/dev/null
umount {file} 2>/dev/null
: > {file}
unshare --net={file} true
nsenter --net={file} ip link add eth0 address {hardware} type veth peer name {link} netns $$
nsenter --net={file} ip -batch - <<END
link set lo up
address add {at.host(number)}/24 broadcast {at.prefix}.255 dev eth0
link set eth0 up
route add default via {at.gateway}
END
ip link set {link} master {at.bridge} up
"""


def cutting(at: Addresses, number: int, *, one_way: str = "", loss: int = 100, peer: int = 0) -> str:
    """Frames that vanish on the host's cable. Nobody is told: no link goes down, no packet comes back.

    A table of its own for each host, so that healing one is deleting it. `one_way` is "in" (the host hears nothing) or
    "out" (nobody hears it); `peer` is the number of the one host that it is cut off from.
    """
    chance = "" if loss >= 100 else f"numgen random mod 100 < {loss} "  # noqa: PLR2004  percent
    to_host, from_host = (f"ip {way} {at.host(peer)} " if peer else "" for way in ("saddr", "daddr"))
    deaf = _chain("to_host", "postrouting", f'oifname "{at.link(number)}" {to_host}{chance}drop')
    mute = _chain("from_host", "prerouting", f'iifname "{at.link(number)}" {from_host}{chance}drop')
    chains = {"in": deaf, "out": mute, "": deaf + mute}[one_way]
    table = cut_table(at, number)
    return f"table bridge {table}\ndelete table bridge {table}\ntable bridge {table} {{\n{chains}}}\n"


def _chain(name: str, hook: str, rule: str) -> str:
    return f"    chain {name} {{\n        type filter hook {hook} priority 0;\n        {rule}\n    }}\n"


def cut_table(at: Addresses, number: int) -> str:
    return f"{at.table}_{number}"


def lay(at: Addresses) -> None:
    """The lab's bridge, and its way out. Making it again changes nothing."""
    if not os.path.isdir(f"/sys/class/net/{at.bridge}"):
        must("ip", "link", "add", at.bridge, "type", "bridge")
    tried("ip", "address", "add", f"{at.gateway}/24", "dev", at.bridge)
    must("ip", "link", "set", at.bridge, "up")
    must("nft", "-f", "-", stdin=masquerade(at))
    allow_forwarding()


def lift(at: Addresses) -> None:
    """Take away the lab's bridge and rules."""
    tried("ip", "link", "delete", at.bridge)
    tried("nft", "delete", "table", "ip", at.table)


def cut(at: Addresses, number: int, *, one_way: str = "", loss: int = 100, peer: int = 0) -> None:
    must("nft", "-f", "-", stdin=cutting(at, number, one_way=one_way, loss=loss, peer=peer))


def heal(at: Addresses, number: int) -> None:
    tried("nft", "delete", "table", "bridge", cut_table(at, number))


def limit(at: Addresses, number: int, namespace: str, rate: str) -> None:
    """Bits per second, in each direction ("" for none): a queue on each end of the cable."""
    ends = (("tc", "qdisc"), at.link(number)), (("nsenter", f"--net={namespace}", "tc", "qdisc"), "eth0")
    for command, device in ends:
        if rate:
            must(*command, "replace", "dev", device, "root", "tbf", "rate", rate, "burst", "16kb", "latency", "300ms")
        else:
            tried(*command, "delete", "dev", device, "root")


def unplug(at: Addresses, number: int, namespace: str) -> None:
    if os.path.isdir(f"/sys/class/net/{at.link(number)}"):
        tried("ip", "link", "delete", at.link(number))
    while os.path.exists(namespace) and tried("umount", namespace).ok:
        pass
    with contextlib.suppress(FileNotFoundError):
        os.unlink(namespace)


def allow_forwarding() -> None:
    """What it was is kept, and put back when the last lab goes."""
    if read(FORWARD).strip() == "0":
        write(f"{store.base()}/ip_forward", "0\n")
        _set_forwarding("1")


def restore_forwarding() -> None:
    before = f"{store.base()}/ip_forward"
    if os.path.exists(before):
        _set_forwarding(read(before).strip())
        os.unlink(before)


def _set_forwarding(value: str) -> None:
    with open(FORWARD, "w", encoding="utf-8") as file:
        file.write(value)
