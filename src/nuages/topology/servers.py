"""What nuages.toml says of servers: hosts, jobs of the clock, and what "auto" means there."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from nuages.errors import TopologyError
from nuages.topology.model import Cron, Host, Topology


NAME = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
RELAXATIONS = ("jit", "node", "chrome", "home", "network-admin")
AUTO = {"server": ("gunicorn", "granian"), "supervisor": ("embedded", "systemd")}  # on this machine, on servers


def hosts_of(declared: Mapping[str, Mapping[str, Any]]) -> tuple[Host, ...]:
    hosts = []
    for name, table in declared.items():
        where = f"hosts.{name}"
        if not re.fullmatch(NAME, name):
            raise TopologyError("use small letters, digits and hyphens in a host's name", where=where)
        address = table.get("address", "") or name  # as ssh_config(5) may know it
        user, _, rest = address.rpartition("@")
        if not rest or rest.startswith("-") or re.search(r"\s", address):
            raise TopologyError(
                "say where it is", where=f"{where}.address", hint='address = "203.0.113.10", a name, or user@name'
            )
        if not 0 <= table.get("port", 0) < 65536:  # noqa: PLR2004
            raise TopologyError(f"{table['port']} is not a port", where=f"{where}.port")
        hosts.append(Host(name, **{**table, "address": rest, "user": table.get("user", "") or user}))
    return tuple(hosts)


def rehearsed(topology: Topology, ssh_config: str) -> Topology:
    """The same topology on hosts of a lab: each is reached under its name by the lab's `ssh_config`, as root, and a
    public authority is replaced by one of our own, for it can't reach them."""
    hosts = tuple(Host(host.name, host.name, "root", ssh_config=ssh_config) for host in topology.hosts)
    tls = (
        replace(topology.tls, certificate="local-ca") if topology.tls.certificate == "acme" and topology.domains else topology.tls
    )
    return replace(topology, hosts=hosts, tls=tls)


def cron_of(declared: Sequence[Mapping[str, Any]]) -> tuple[Cron, ...]:
    jobs: list[Cron] = []
    for index, table in enumerate(declared):
        where = f"cron.{index}"
        missing = [key for key in ("name", "command", "at") if not table.get(key)]
        if missing:
            raise TopologyError(
                f"lacks {' and '.join(missing)}", where=where, hint='name = "clearsessions", command = ..., at = ...'
            )
        if not re.fullmatch(NAME, table["name"]):
            raise TopologyError("use small letters, digits and hyphens in a job's name", where=f"{where}.name")
        if table["name"] in [job.name for job in jobs]:
            raise TopologyError(f"there are two jobs called {table['name']}", where=f"{where}.name")
        jobs.append(Cron(**table))
    return tuple(jobs)


def alternatives(serve: Mapping[str, Any], *, remote: bool) -> dict[str, str]:
    """What "auto" means; the systemd supervisor is for servers, the embedded one for this machine."""
    chosen = {role: serve.get(role, "auto") for role in AUTO}
    chosen = {role: AUTO[role][remote] if name == "auto" else name for role, name in chosen.items()}
    fits = "systemd" if remote else "embedded"
    if chosen["supervisor"] != fits:
        raise TopologyError(
            f"{chosen['supervisor']} does not run {'on servers' if remote else 'without root on this machine'}",
            where="serve.supervisor",
            hint=f'"{fits}", or leave it out',
        )
    if not remote and chosen["server"] == "granian":
        raise TopologyError(
            "granian loses requests where no proxy stands before it", where="serve.server", hint='"gunicorn", or leave it out'
        )
    return chosen


def refuse_unfit(root: Path, plain: Mapping[str, Any], tls: Mapping[str, Any], domains: Sequence[str]) -> None:
    for item in plain.get("relax", ()):
        if item not in RELAXATIONS:
            raise TopologyError(f"there is no {item!r}", where="serve.relax", hint="one of: " + ", ".join(RELAXATIONS))
    for key, unit in (("max_upload", "as nginx has it: 100M"), ("memory", "as systemd has it: 800M")):
        if not re.fullmatch(r"(\d+[KMG]?)?", plain.get(key, "")) or (key == "max_upload" and plain.get(key) == ""):
            raise TopologyError(f"{plain[key]!r} is not a size", where=f"serve.{key}", hint=unit)
    if tls.get("certificate") == "own":
        for key in ("cert_file", "key_file"):
            name = tls.get(key, "")
            if not name or not (root / Path(name).expanduser()).is_file():
                raise TopologyError(f"there is no file {name!r}" if name else "name the file", where=f"tls.{key}")
        if not domains:
            raise TopologyError("a certificate needs a domain", where="domains", hint='domains = ["shop.example"]')
