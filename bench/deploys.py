"""How long deploys take: a first one, one with nothing to do, one of changed code."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from by_hand import ByHand, by_hand
from measuring import Figure, timed
from sites import Site, end_process, environment, example, site, startproject, wait_for_answer


def first_up(scratch: Path, rounds: int) -> Iterator[Figure]:
    """`up` of a project that this machine has never seen, with the package cache warm, against the same steps by hand."""
    yield _first_up(scratch, rounds, "example", "library.settings", example)
    yield _first_up(scratch, rounds, "startproject", "plain.settings", startproject)


def _first_up(scratch: Path, rounds: int, name: str, settings: str, make: Callable[[Path], Path]) -> Figure:
    project = make(scratch / "first" / name)
    ours = site(project, scratch / "first" / f"data-{name}-warm")
    try:
        ours.nuages("up", "--detach")
        peer = by_hand(project, scratch / "first" / f"{name}-by-hand", settings, ours.environment)
    finally:
        ours.end()
    _by_hand_first(peer)
    pairs = []
    for number in range(rounds):
        fresh = Site(project, scratch / "first" / f"data-{name}-{number}", ours.port)
        order = [lambda fresh=fresh: _ours_first(fresh), lambda: _by_hand_first(peer)]
        pairs.append(_in_turn(order, number))
    return Figure(f"first `up`, {name}", "s", tuple(pairs), 1.25)


def _in_turn(both: list[Callable[[], float]], number: int) -> tuple[float, float]:
    """Each goes first every other round."""
    if number % 2:
        theirs = both[1]()
        return both[0](), theirs
    return both[0](), both[1]()


def _ours_first(fresh: Site) -> float:
    started = time.perf_counter()
    try:
        fresh.nuages("up", "--detach")
        wait_for_answer(fresh.port)
        return time.perf_counter() - started
    finally:
        fresh.end()


def _by_hand_first(peer: ByHand) -> float:
    peer.forget()
    started = time.perf_counter()
    peer.install()
    peer.collect()
    peer.compress()
    peer.manage("migrate", "--noinput", "--verbosity", "0")
    server = peer.serve()
    taken = time.perf_counter() - started
    end_process(server)
    return taken


def unchanged(scratch: Path, rounds: int) -> Iterator[Figure]:
    """`up` with nothing to do against one `manage.py check` of the same project in the same environment."""
    ours = site(example(scratch / "unchanged" / "library"), scratch / "unchanged" / "data")
    try:
        ours.nuages("up", "--detach")
        check = (str(ours.environment / "bin" / "python"), "manage.py", "check")
        for _warm in range(2):
            ours.nuages("up", "--detach")
            timed(check, cwd=ours.folder, env=environment())
        runs = [(ours.nuages("up", "--detach"), timed(check, cwd=ours.folder, env=environment())) for _round in range(rounds)]
    finally:
        ours.end()
    yield Figure("`up` with nothing to do", "s", tuple((a.wall, b.wall) for a, b in runs), 1.5)
    yield Figure("the same", "s of CPU", tuple((a.cpu, b.cpu) for a, b in runs), 1.5)


def code_change(scratch: Path, rounds: int) -> Iterator[Figure]:
    """From `up` after a change of one view to the first answer of the new release, against the steps nobody can leave out."""
    ours = site(example(scratch / "code" / "library"), scratch / "code" / "data")
    try:
        ours.nuages("up", "--detach")
        peer = by_hand(ours.folder, scratch / "code" / "by-hand", "library.settings", ours.environment)
        _by_hand_first(peer)
        pairs = []
        for number in range(rounds + 1):
            for folder in (ours.folder, peer.folder):
                with (folder / "catalog" / "views.py").open("a") as file:
                    file.write(f"\n# round {number}\n")
            both = [lambda: _until_switched(ours), lambda: _unavoidable(peer)]
            pair = _in_turn(both, number)
            pairs += [pair] if number else []  # the first round warms up
    finally:
        ours.end()
    yield Figure("code change to switched traffic", "s", tuple(pairs), 1.5)


def _until_switched(ours: Site) -> float:
    before = ours.release()
    switched: list[float] = []

    def watch() -> None:
        while not switched:
            if ours.release() != before:
                switched.append(time.perf_counter())
            time.sleep(0.02)

    watcher = threading.Thread(target=watch, daemon=True)
    started = time.perf_counter()
    watcher.start()
    ours.nuages("up", "--detach")
    watcher.join(10)
    return switched[0] - started


def _unavoidable(peer: ByHand) -> float:
    started = time.perf_counter()
    peer.collect()
    peer.manage("migrate", "--check")
    server = peer.serve()
    taken = time.perf_counter() - started
    end_process(server)
    return taken
