"""Measure deploys to servers against a playbook, a pyinfra deploy and bare OpenSSH, on hosts of the lab, and print ratios.

    make bench-servers                            all of it, with one host; needs root and the lab
    python bench/servers.py --only unchanged --hosts 8 --rounds 3

Hosts are booted for it and are gone afterwards, however it ends. The ways take turns; the exit status is 1 when a bound is
not met. The first round is not counted: it fills caches.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

from measuring import HEADER, FailedError, Figure
from server_base import Bare, unavoidable, until_switched
from server_costs import Cost
from server_place import Place, hosts_in_words, say
from server_security import security
from server_stack import stack
from server_ways import WAYS, Ansible, Light, Nuages, Way, install_peers

from nuages.errors import NuagesError
from nuages.lab import Lab
from nuages.lab.requirements import missing


MANY = 8
Scenario = Callable[[Place, int, int], Iterator[Figure]]


def first(place: Place, rounds: int, count: int) -> Iterator[Figure]:
    """From hosts as they are installed to the library over HTTPS on each of them."""
    costs: dict[str, list[Cost]] = {kind.name: [] for kind in WAYS}
    for number in range(rounds + place.warm_up):
        for kind in turned(WAYS, number):
            cost = place.make(kind, count)
            costs[kind.name] += [cost] if number >= place.warm_up else []
    yield from compared(f"first deploy, {hosts_in_words(count)}", costs)


def unchanged(place: Place, rounds: int, count: int) -> Iterator[Figure]:
    """Nothing to do: against the peers, and against a bare client, OpenSSH and agent."""
    ways = place.deployed(count)
    bare = Bare(place.folder / f"bare-{count}", ways["nuages"].hosts, "bare")
    costs: dict[str, list[Cost]] = {name: [] for name in (*ways, "agent", "ssh")}
    asked = {name: way.deploy for name, way in ways.items()} | {"agent": bare.agent, "ssh": bare.ssh}
    for number in range(rounds + 1):
        for name in turned(tuple(asked), number):
            if name in ("nuages", "agent", "ssh"):
                asked[name]()  # their shared connections last a minute, and the slow ones take longer
            cost = asked[name]()
            costs[name] += [cost] if number else []
            say(f"unchanged, {count} hosts, {name}", cost)
    bare.close()
    title = f"no change, {hosts_in_words(count)}"
    yield from compared(title, {name: costs[name] for name in ways}, bound=0.1)
    yield figure(f"{title}, against a bare round trip of client, OpenSSH and agent", "s", costs["nuages"], costs["agent"], 1.5)
    yield figure(f"{title}, against OpenSSH and python3 alone", "s", costs["nuages"], costs["ssh"])


def code(place: Place, rounds: int, count: int) -> Iterator[Figure]:
    """A view changes: until traffic goes to the new release on every host, and until the command ends."""
    ways = place.deployed(count)
    folder = place.folder / f"bare-code-{count}"
    folder.mkdir()
    switched: dict[str, list[float]] = {name: [] for name in (*ways, "bare")}
    costs: dict[str, list[Cost]] = {name: [] for name in ways}
    for number in range(1, rounds + 2):
        taken = {name: until_traffic(way, number) for name, way in ways.items()}
        peer = ways["ansible"]
        assert isinstance(peer, Ansible)
        bare = unavoidable(peer, folder, number)
        if number > 1:
            switched["bare"].append(bare)
            for name, (seconds, cost) in taken.items():
                switched[name].append(seconds)
                costs[name].append(cost)
                say(f"code, {count} hosts, {name}, switched after {seconds:.2f} s (bare {bare:.2f} s)", cost)
    title = f"code change to switched traffic, {hosts_in_words(count)}"
    for name in ("ansible", "pyinfra"):
        yield Figure(f"{title}, against {name}", "s", tuple(zip(switched["nuages"], switched[name], strict=True)), 0)
    yield Figure(
        f"{title}, against its unavoidable parts", "s", tuple(zip(switched["nuages"], switched["bare"], strict=True)), 1.5
    )
    yield from compared(f"code change to the end of the command, {hosts_in_words(count)}", costs)


def many(place: Place, rounds: int, count: int) -> Iterator[Figure]:
    """Nuages with 8 hosts against itself with one. All of them share the processors of this machine, so CPU time is told too."""
    one, all_of_them = place.way(Light, 1), place.way(Light, MANY)
    pairs = {"first deploy": [(one.deploy(), all_of_them.deploy())], "no change": [], "code change": []}
    for way in (one, all_of_them):
        way.check()
        way.deploy()
    for number in range(1, rounds + 1):
        pairs["no change"].append((warm(one), warm(all_of_them)))
        one.edit(number)
        all_of_them.edit(number)
        pairs["code change"].append((one.deploy(), all_of_them.deploy()))
    for title, costs in pairs.items():
        for a_host, hosts in costs:
            say(f"{title}, 1 host", a_host)
            say(f"{title}, {MANY} hosts", hosts)
        singles, manys = [a for a, _ in costs], [b for _, b in costs]
        yield figure(f"{title}, {MANY} hosts against 1", "s", manys, singles, 2)
        cpu = tuple((b.client, a.client) for a, b in costs)
        yield Figure(f"{title}, {MANY} hosts against 1", "s of CPU of the client", cpu)
        cpu = tuple((b.hosts / MANY, a.hosts) for a, b in costs)
        yield Figure(f"{title}, one of {MANY} hosts against the one", "s of CPU of a host", cpu)
    place.forget(one)
    place.forget(all_of_them)


def warm(way: Way) -> Cost:
    """A shared connection lasts a minute, and what was done in between may take longer."""
    way.deploy()
    return way.deploy()


def until_traffic(way: Way, number: int) -> tuple[float, Cost]:
    way.edit(number)
    before, seconds = way.switched(), []
    started = time.perf_counter()
    watcher = threading.Thread(target=lambda: seconds.append(until_switched(way, before, started)))
    watcher.start()
    cost = way.deploy()
    watcher.join(30)
    return seconds[0], cost


def compared(title: str, costs: dict[str, list[Cost]], bound: float = 0) -> Iterator[Figure]:
    for name in (kind.name for kind in WAYS if kind is not Nuages):
        yield figure(f"{title}, against {name}", "s", costs["nuages"], costs[name], bound)
        pairs = tuple((a.cpu, b.cpu) for a, b in zip(costs["nuages"], costs[name], strict=True))
        yield Figure(f"{title}, against {name}", "s of CPU, client and hosts", pairs)


def figure(title: str, unit: str, ours: list[Cost], theirs: list[Cost], bound: float = 0) -> Figure:
    return Figure(title, unit, tuple((a.wall, b.wall) for a, b in zip(ours, theirs, strict=True)), bound)


def turned(all_of_them: tuple, number: int) -> tuple:
    start = number % len(all_of_them)
    return (*all_of_them[start:], *all_of_them[:start])


SCENARIOS: dict[str, tuple[Scenario, int]] = {  # with the number of rounds
    "first": (first, 2),
    "unchanged": (unchanged, 5),
    "code": (code, 3),
    "many": (many, 3),
    "stack": (stack, 5),
    "security": (security, 1),
}


def main() -> int:
    options = read_options()
    what, hint = missing()
    if what:
        print(f"{what} ({hint})" if hint else what, file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that a stopped run cleans up too
    install_peers()
    figures = []
    print(HEADER.replace("by hand", "the other"), flush=True)
    with tempfile.TemporaryDirectory(prefix="nuages-bench-") as folder, ExitStack() as leaving:
        lab = Lab(f"bench-{os.getpid()}", owner=True)
        place = Place(lab, Path(folder).resolve(), 0 if options.caches_are_full else 1)
        leaving.callback(place.close)
        leaving.enter_context(lab)
        for name, (scenario, rounds) in SCENARIOS.items():
            if options.only and name not in options.only:
                continue
            try:
                for each in scenario(place, options.rounds or rounds, options.hosts):
                    print(each.line(), flush=True)
                    figures.append(each)
            except (FailedError, NuagesError) as error:
                print(f"{name} could not be measured: {error}\n{getattr(error, 'detail', '')}", file=sys.stderr)
                return 2
    return 0 if all(each.met for each in figures) else 1


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", action="append", choices=SCENARIOS, help="this one; may be given again")
    parser.add_argument("--rounds", type=int, help="of each (default: 1 to 5, by how long one takes)")
    parser.add_argument(
        "--hosts", type=int, default=1, help="with how many (default: 1); what is measured on one host ignores it"
    )
    parser.add_argument("--caches-are-full", action="store_true", help="count the first of the first deploys too")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
