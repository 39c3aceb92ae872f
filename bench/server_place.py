"""Where a run on servers takes place: its hosts, its folders, and what stands there already."""

from __future__ import annotations

import sys
from pathlib import Path

from server_costs import Cost
from server_ways import WAYS, Way

from nuages.lab import Lab, LabHost


class Place:
    """Hosts and folders of one run. Ways that are compared get the same number of fresh hosts each."""

    def __init__(self, lab: Lab, folder: Path, warm_up: int) -> None:
        self.lab, self.folder, self.warm_up, self.booted = lab, folder, warm_up, 0
        self.ways: list[Way] = []
        self.standing: dict[int, dict[str, Way]] = {}  # by the number of hosts; made once, used by several scenarios

    def hosts(self, letter: str, count: int) -> list[LabHost]:
        self.booted += 1
        return self.lab.up(*(f"{letter}{self.booted}-{number}" for number in range(1, count + 1)))

    def way(self, kind: type[Way], count: int) -> Way:
        hosts = self.hosts(kind.name[0], count)
        way = kind(self.folder / f"{kind.name}-{self.booted}", hosts)
        self.ways.append(way)
        return way

    def deployed(self, count: int) -> dict[str, Way]:
        """Each way on hosts of its own, up and checked."""
        if count not in self.standing:
            for kind in WAYS:
                self.make(kind, count)
        return self.standing[count]

    def make(self, kind: type[Way], count: int) -> Cost:
        way = self.way(kind, count)
        cost = way.deploy()
        way.check()
        say(f"first, {hosts_in_words(count)}, {way.name}", cost)
        if old := self.standing.setdefault(count, {}).pop(way.name, None):
            self.forget(old)
        self.standing[count][way.name] = way
        return cost

    def close(self) -> None:
        """After the hosts have gone: a control group with a process in it stays."""
        for way in self.ways:
            way.close()

    def forget(self, way: Way) -> None:
        self.lab.down(*(host.name for host in way.hosts))
        way.close()


def hosts_in_words(count: int) -> str:
    return "1 host" if count == 1 else f"{count} hosts"


def say(what: str, cost: Cost) -> None:
    parts = f"{cost.wall:.2f} s, CPU {cost.client:.2f} s here and {cost.hosts:.2f} s on the hosts"
    print(f"  {what}: {parts}", file=sys.stderr, flush=True)
