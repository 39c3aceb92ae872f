"""restic, from the system's packages: one repository for each site, encrypted, with what is the same kept once.

A timer runs a program of ours at night (nuages/dataside/nightly.py, standard library, readable on the host): it dumps the
databases and hands everything to restic. No daemon, and nothing of the site waits for it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from nuages.components.backup import Backup
from nuages.components.contract import Action, Description, Directory, File, Placement, Unit
from nuages.components.templating import head, render
from nuages.hosts.command import Command
from nuages.release.layout import Layout
from nuages.topology.model import Topology


HERE = Path(__file__).parent
PROGRAMS = HERE.parent.parent / "dataside"
NIGHTLY = ("refusal", "archive", "project", "postgres", "sqlite", "databases", "uploads", "store", "nightly")
INSTEAD = "edit [backups] in nuages.toml"


class Restic(Backup):
    name: ClassVar[str] = "restic"

    def describe(self, placement: Placement) -> tuple[Description, ...]:
        topology = placement.topology
        if topology.hosts and placement.host.name != topology.hosts[0].name:
            return ()
        folder = placement.layout.dir / "backups"
        service, timer = (f"/etc/systemd/system/{topology.name}-backup.{kind}" for kind in ("service", "timer"))
        config = str(folder / "backup.json")
        words = {
            "head": head(topology.name, INSTEAD),
            "site": topology.name,
            "python": placement.machine.python or "/usr/bin/python3",
            "program": str(folder / "programs" / "nightly.py"),
            "config": config,
            "at": topology.backups.at,
        }
        return (
            Description(
                name="backup",
                what=f"backups at {topology.backups.at}, to {place_of(topology, placement.layout)}{'' if topology.backups.to else ' ON THE SAME MACHINE'}",
                packages=("restic", "openssh-client"),
                directories=(Directory(str(folder), 0o700), Directory(str(folder / "programs"), 0o700)),
                files=(
                    *(File(str(folder / "programs" / f"{name}.py"), _program(name), 0o600) for name in NIGHTLY),
                    File(config, json.dumps(config_of(topology, placement.layout), indent=1) + "\n", 0o600),
                    File(service, render(HERE, "backup.service.j2", **words)),
                    File(timer, render(HERE, "backup.timer.j2", **words)),
                ),
                units=(Unit(timer.rpartition("/")[2], on=(timer,)),),
                actions=(_key(topology, words),),
            ),
        )


def config_of(topology: Topology, layout: Layout) -> Mapping[str, Any]:
    """What nightly.py must know; no secrets."""
    backups = topology.backups
    return {
        "site": topology.name,
        "dir": str(layout.dir),
        "account": topology.account,
        "to": backups.to,
        "keep": dict(backups.keep),
        "media": backups.media,
    }


def place_of(topology: Topology, layout: Layout) -> str:
    """Where backups go. The program says the same (store.repository)."""
    to = topology.backups.to
    return f"{to.rstrip('/')}/{topology.name}" if to else f"{layout.dir}/backups/repository"


def is_here(topology: Topology) -> bool:
    """Do they go with the machine, when that goes? A folder may be another disk, but is on the same machine."""
    return not topology.backups.to or topology.backups.to.startswith("/")


def _program(name: str) -> str:
    return (PROGRAMS / f"{name}.py").read_text(encoding="utf-8")


def _key(topology: Topology, words: Mapping[str, Any]) -> Action:
    """Made on the host, once: whoever deploys first need not be whoever keeps it. `nuages backup key` tells it."""
    wish = json.dumps({"verb": "key", "config": words["config"]})
    kind = "sftp" if topology.backups.to.startswith("sftp:") else "plain"
    return Action(
        key=f"backup-key-{topology.name}-{kind}",
        what="a key that backups are encrypted with",
        why="kept off the server too: nuages backup key",
        command=Command((words["python"], "-I", "-S", "-B", words["program"], wish), timeout=60),
    )
