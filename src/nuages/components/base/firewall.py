"""Firewall: a table of our own in nftables, or ufw's rules where ufw is active. Other tables are left alone.

Each table decides for itself: a packet passes only where no table drops it. So ours can't open what another one closes,
and taking it away leaves the others as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nuages.components.base.facts import Facts
from nuages.components.contract import Action, Description, File, Placement, Port, Unit
from nuages.components.templating import head, render
from nuages.hosts.command import run


TABLE = "/etc/nuages/firewall.nft"
UNIT = "nuages-firewall.service"
UNIT_FILE = f"/etc/systemd/system/{UNIT}"
TEMPLATES = Path(__file__).parent


def describe_firewall(placement: Placement, facts: Facts) -> tuple[Description, ...]:
    """What is shared by all sites: the way in for SSH, and a place for each site's ports."""
    if facts.ufw or not placement.topology.services.firewall:
        return ()
    ssh = sorted({placement.machine.ssh_port, *facts.sshd_ports})
    instead = head("", "firewall = false in [services] switches it off, ports follow from the components")
    return (
        Description(
            name="firewall",
            what="only what the site needs is let in",
            scope="host",
            packages=("nftables",),
            files=(
                File(TABLE, instead + render(TEMPLATES, "firewall.nft.j2", ssh_ports=ssh, neighbours=facts.neighbours)),
                File(UNIT_FILE, instead + render(TEMPLATES, "nuages-firewall.service.j2", table=TABLE)),
            ),
            verify=run("nft", "--check", "--file", TABLE, timeout=30),
            units=(Unit(UNIT, reload=True, on=(TABLE,)),),
            guard=True,
        ),
    )


def describe_ports(placement: Placement, ports: Sequence[Port], facts: Facts) -> tuple[Description, ...]:
    """The site's own ports, in a file of its own: another site's deploy does not touch it."""
    if not ports or not placement.topology.services.firewall:
        return ()
    site = placement.topology.name
    if facts.ufw:
        return (
            Description(
                name="firewall", what=f"ufw lets {site}'s ports in", actions=tuple(_allow(port, site) for port in _once(ports))
            ),
        )
    path = f"/etc/nuages/firewall/{site}.nft"
    rules = "".join(f"add rule inet nuages sites {_rule(port)}\n" for port in _once(ports))
    return (
        Description(
            name="firewall",
            what=f"{site}'s ports are open",
            files=(File(path, head(site, "ports follow from the components and from nuages.toml") + rules),),
            verify=run("nft", "--check", "--file", TABLE, timeout=30),
            units=(Unit(UNIT, reload=True, on=(path,)),),
            guard=True,
        ),
    )


def _once(ports: Sequence[Port]) -> list[Port]:
    found = {(port.number, port.protocol, port.source): port for port in ports}
    return [found[key] for key in sorted(found)]


def _rule(port: Port) -> str:
    source = f"{'ip6' if ':' in port.source else 'ip'} saddr {port.source} " if port.source else ""
    comment = f' comment "{port.what}"' if port.what else ""
    return f"{source}{port.protocol} dport {port.number} accept{comment}"


def _allow(port: Port, site: str) -> Action:
    """ufw keeps its rules itself, and takes a rule that is there already as it is."""
    rule = ("from", port.source or "any", "to", "any", "port", str(port.number), "proto", port.protocol)
    return Action(
        key=f"ufw {site} {port.number}/{port.protocol} {port.source or 'any'}",
        what=f"ufw allows {port.number}/{port.protocol}" + (f" from {port.source}" if port.source else ""),
        why=port.what or f"for {site}",
        command=run("ufw", "allow", *rule, "comment", f"nuages {site}", timeout=60),
        undo=run("ufw", "delete", "allow", *rule, timeout=60),
    )
