"""What `systemd-analyze security` says of the units: 0 is the closest sandbox, 10 is none."""

from __future__ import annotations

import re
from collections.abc import Iterator

from measuring import FailedError, Figure
from server_place import Place
from server_ways import Way


BOUND = 2.0


def security(place: Place, rounds: int, count: int) -> Iterator[Figure]:
    """Of the app's unit, ours and the one by hand; `ratio` is not judged, the score itself is."""
    ways = place.deployed(1)
    scores = {name: score(ways[name], pattern) for name, pattern in (("nuages", "library-web@*"), ("pyinfra", "library@*"))}
    if scores["nuages"] >= BOUND:
        raise FailedError(f"the app's unit scores {scores['nuages']}; it is meant to be below {BOUND}")
    yield Figure("systemd-analyze security of the app's unit (below 2.0)", "score", ((scores["nuages"], scores["pyinfra"]),))


def score(way: Way, pattern: str) -> float:
    host = way.hosts[0]
    units = host.must(f"systemctl list-units --plain --no-legend --state=running '{pattern}' | cut -d' ' -f1").split()
    said = host.must("systemd-analyze", "security", "--no-pager", units[0])
    found = re.search(r"Overall exposure level for .*: ([\d.]+)", said)
    if not found:
        raise FailedError(said[-500:])
    return float(found[1])
