"""Requests per minute, errors and latency, added up over hosts from what their agents counted (hosts/agent_insight.py)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from nuages.insight.model import Minute, Traffic
from nuages.release.layout import Layout
from nuages.topology.model import Topology


STEP = math.log(1.05)  # of a class of times, as there
LEAST = 60.0  # seconds: a rate over less says little


def question(topology: Topology, layout: Layout, seconds: float) -> dict[str, Any]:
    """nginx's log knows every request; on this machine the app server's does."""
    if topology.remote and topology.services.proxy == "nginx":
        return {"kind": "traffic", "path": f"/var/log/nginx/{topology.name}.access.log", "seconds": seconds, "style": "nginx"}
    return {"kind": "traffic", "path": str(layout.logs / "web.log"), "seconds": seconds, "style": "gunicorn"}


def added(answers: Sequence[Mapping[str, Any]]) -> Traffic | None:
    if not answers:
        return None
    minutes: dict[int, tuple[int, int, Counter[int]]] = {}
    for answer in answers:
        for at, (requests, errors, times) in answer["minutes"].items():
            before = minutes.get(int(at), (0, 0, Counter()))
            counted = Counter({int(kind): int(many) for kind, many in times.items()})
            minutes[int(at)] = (before[0] + requests, before[1] + errors, before[2] + counted)
    everything: Counter[int] = sum((times for _requests, _errors, times in minutes.values()), Counter())
    return Traffic(
        seconds=max(LEAST, *(answer["now"] - answer["since"] for answer in answers)),
        requests=sum(requests for requests, _errors, _times in minutes.values()),
        errors=sum(errors for _requests, errors, _times in minutes.values()),
        p50=percentile(everything, 0.50),
        p95=percentile(everything, 0.95),
        p99=percentile(everything, 0.99),
        partial=any(answer["partial"] for answer in answers),
        minutes=tuple(
            Minute(at, requests, errors, percentile(times, 0.5) or 0, percentile(times, 0.95) or 0)
            for at, (requests, errors, times) in sorted(minutes.items())
        ),
    )


def percentile(times: Mapping[int, int], share: float) -> float | None:
    """Seconds that this share of requests took at most, to within five per cent; nginx tells whole milliseconds."""
    total = sum(times.values())
    if not total:
        return None
    seen, wanted = 0, math.ceil(total * share)
    for kind, many in sorted(times.items()):
        seen += many
        if seen >= wanted:
            return round(math.exp((kind + 0.5) * STEP) / 1000, 4)
    return None
