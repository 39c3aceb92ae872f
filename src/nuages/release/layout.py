"""Where everything of a site lives on its host. Paths only; the page docs/concepts/state.md tells what each is for."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from nuages.topology.model import Topology


SCHEMA = 1


def local_site(name: str) -> Layout:
    """On this machine, without root: under $XDG_DATA_HOME (XDG Base Directory Specification)."""
    base = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Layout(Path(base).expanduser() / "nuages" / name)


def server_site(name: str) -> Layout:
    """On a server: /srv is for data of services (Filesystem Hierarchy Standard 3.0, 3.17)."""
    return Layout(Path("/srv") / name)


def local_store(name: str) -> Layout:
    """Where this machine keeps what it builds for servers; all of it can be made again."""
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Layout(Path(base).expanduser() / "nuages" / name)


def site_layout(topology: Topology) -> Layout:
    """Where the site lives."""
    return server_site(topology.name) if topology.remote else local_site(topology.name)


def store_layout(topology: Topology) -> Layout:
    """Where this machine keeps what it builds: with the site, when that is here."""
    return local_store(topology.name) if topology.remote else local_site(topology.name)


def sweep_op(layout: Layout, spare: float = 3600) -> dict[str, str | float]:
    """After old builds were removed from a server: the pieces that none is made of any more go too, but for those that
    came within `spare` seconds: a colleague may be sending a build beside us."""
    return {"op": "sweep", "store": str(layout / "store"), "spare": spare}


@dataclass(frozen=True)
class Layout:
    dir: Path

    def __truediv__(self, part: str) -> Path:
        return self.dir / part

    @property
    def site_file(self) -> Path:
        return self.dir / "site.json"

    @property
    def journal(self) -> Path:
        return self.dir / "journal.jsonl"

    @property
    def kept_since(self) -> Path:
        return self.dir / "kept-since.json"

    @property
    def unfinished(self) -> Path:
        return self.dir / "unfinished.json"

    @property
    def lock(self) -> Path:
        return self.dir / "lock.json"

    @property
    def live(self) -> Path:
        return self.dir / "live"

    @property
    def current(self) -> Path:
        return self.dir / "current"

    @property
    def venvs(self) -> Path:
        return self.dir / "venvs"

    @property
    def cache(self) -> Path:
        return self.dir / "cache"

    @property
    def logs(self) -> Path:
        return self.dir / "logs"

    @property
    def snapshots(self) -> Path:
        return self.dir / "snapshots"

    @property
    def maintenance(self) -> Path:
        return self.dir / "shared" / "maintenance"

    @property
    def socket(self) -> Path:
        """On servers: the link that the proxy connects to; a switch renames another one over it."""
        return self.dir / "run" / "web.sock"

    @property
    def audit(self) -> Path:
        return self.dir / "audit.jsonl"

    def runtime(self, generation: str) -> Path:
        """On servers: where a generation keeps its sockets; gone after a reboot, and made again by its unit."""
        return Path("/run") / f"nuages-{self.dir.name}" / generation

    def build(self, build: str) -> Path:
        return self.dir / "releases" / build

    def numbered(self, number: int) -> Path:
        return self.dir / "numbered" / f"v{number}"

    def config(self, version: int) -> Path:
        return self.dir / "config" / f"v{version}.json"

    def shared(self, name: str) -> Path:
        return self.dir / "shared" / name

    def generation(self, name: str) -> Path:
        return self.dir / "run" / "generations" / name
