"""What every kind that renews itself puts on a host: the program, what it is told, and a timer."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from nuages.components.certificates.deciding import Decision
from nuages.components.certificates.seen import PROGRAM, folder, state
from nuages.components.contract import Action, Directory, File, Link, Placement, Unit
from nuages.components.templating import head, render
from nuages.hosts.command import Command, run


HERE = Path(__file__).parent


def program(placement: Placement) -> str:
    return str(state(placement.layout) / "certificate.py")


def config_path(placement: Placement) -> str:
    return str(state(placement.layout) / "certificate.json")


def directories(placement: Placement) -> tuple[Directory, ...]:
    """Links and keys are found below /etc by nginx's master, which is root."""
    return (
        Directory("/etc/nuages/certs", 0o755),
        Directory(str(folder(placement.topology.name)), 0o700),
        Directory(str(state(placement.layout)), 0o755),
    )


def files(placement: Placement, decision: Decision, **more: Any) -> tuple[File, ...]:
    site = placement.topology.name
    config = {
        "site": site,
        "kind": placement.topology.tls.certificate,
        "names": list(decision.names),
        "folder": str(folder(site)),
        "state": str(state(placement.layout)),
        **more,
    }
    instead = head(site, "edit [tls] and domains in nuages.toml")
    words = {"head": instead, "site": site, "program": program(placement), "config": config_path(placement)}
    words |= {"python": placement.machine.python or "/usr/bin/python3", "state": str(state(placement.layout))}
    return (
        File(program(placement), PROGRAM.read_text(encoding="utf-8")),
        File(config_path(placement), json.dumps(config, indent=1, sort_keys=True) + "\n"),
        File(f"/etc/systemd/system/{site}-certificate.service", render(HERE, "certificate.service.j2", **words)),
        File(f"/etc/systemd/system/{site}-certificate.timer", render(HERE, "certificate.timer.j2", **words)),
    )


def links(placement: Placement, decision: Decision) -> tuple[Link, ...]:
    """To the pair of this kind, or, while that is not there, to the older one that is served."""
    site, kind, seen = placement.topology.name, placement.topology.tls.certificate, decision.seen
    older = seen.linked.rpartition("/")[0] if not seen.wanted.usable and seen.served.usable else ""
    return tuple(Link(str(folder(site) / name), f"{older or kind}/{name}") for name in ("fullchain.pem", "privkey.pem"))


def units(placement: Placement) -> tuple[Unit, ...]:
    """The timer; and the proxy reads its links again where they lead elsewhere. (A new pair behind them is told by the program.)"""
    site = placement.topology.name
    timer = f"{site}-certificate.timer"
    reread = tuple(str(folder(site) / name) for name in ("fullchain.pem", "privkey.pem"))
    return (Unit(timer, on=(f"/etc/systemd/system/{timer}",)), Unit("nginx.service", reload=True, on=reread))


def asking(placement: Placement, decision: Decision, what: str, why: str) -> tuple[Action, ...]:
    """Its key has what it depends on and how often it was tried: what failed may be tried again, what is there is not."""
    if not decision.ask:
        return ()
    tls, seen = placement.topology.tls, decision.seen
    depends = (tls.certificate, tls.acme_server, decision.names, seen.failures, seen.wanted.serial)
    digest = hashlib.sha256(repr(depends).encode()).hexdigest()[:12]
    python = placement.machine.python or "/usr/bin/python3"
    command = Command((python, "-I", "-S", program(placement), "issue", config_path(placement)), timeout=900)
    made = f"{folder(placement.topology.name)}/{tls.certificate}"
    kept = f"{state(placement.layout)}/authority {state(placement.layout)}/certbot*"
    undo = run("/bin/sh", "-c", f"rm -rf {made} {made}-* {kept}", timeout=30)
    return (Action(f"certificate-{placement.topology.name}-{digest}", what, why, command, undo=undo, erases=True, missing=True),)
