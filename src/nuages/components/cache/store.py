"""What the caches have in common: an instance of the site's own on a unix socket, in a sandbox without a network.

It runs under a user that systemd makes for it (DynamicUser), in the group of the site's account: the account reaches
the socket, and neither can read what the other keeps.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nuages.components.budget import MIB
from nuages.components.contract import Placement
from nuages.components.templating import head, render
from nuages.topology.model import Topology


HERE = Path(__file__).parent


@dataclass(frozen=True)
class Store:
    """One instance. `part`: cache, which may forget anything, or queue, which keeps what it is told."""

    site: str
    account: str
    part: str

    @property
    def unit(self) -> str:
        return f"{self.site}-{self.part}.service"

    @property
    def run(self) -> str:
        return f"{self.site}-{self.part}"

    @property
    def socket(self) -> str:
        return f"/run/{self.run}/{self.part}.sock"

    @property
    def config(self) -> str:
        return f"/etc/nuages/{self.site}/{self.part}.conf"


def store(topology: Topology, part: str) -> Store:
    return Store(topology.name, topology.account, part)


def unit_file(place: Store, placement: Placement, what: str, command: str, memory: int, *, notify: bool) -> str:
    """`memory`: what the store holds at most. Beside it lie its own structures, and for the queue a copy while it rewrites its file."""
    most = memory * (2 if place.part == "queue" else 1) + memory // 2 + 32 * MIB
    return render(
        HERE,
        "store.service.j2",
        head=head(place.site, "docs/components says which settings there are").rstrip("\n"),
        what=what,
        command=command,
        place=place,
        memory_mb=most // MIB,
        notify=notify,
    )
