"""What can be scaled, and which numbers make no sense."""

from __future__ import annotations

import re
from collections.abc import Mapping

from nuages.engine.model import Live
from nuages.errors import UsageError


MOST = 512


def scaled(live: Live) -> dict[str, int]:
    """Every process that can be scaled, and how many of it run; for web the number is of worker processes."""
    manifest = live.manifest or {"processes": []}
    known = dict.fromkeys(sorted({"web", *(p["name"] for p in manifest["processes"] if p["kind"] != "release")}), 0)
    generation = live.supervisor.get("generations", {}).get(live.serving, {})
    for process in generation.get("processes", []):
        name = re.sub(r"\.\d+$", "", process["name"])  # the second worker is worker.1
        known[name] = known.get(name, 0) + int(process.get("workers") or 1)
    return known


def check_scale(live: Live, scale: Mapping[str, int]) -> None:
    """Raises UsageError."""
    names = sorted(scaled(live))
    unknown = sorted(set(scale) - set(names))
    if unknown:
        raise UsageError(f"there is no process called {', '.join(unknown)}", hint="known: " + ", ".join(names))
    if scale.get("web") == 0:
        raise UsageError(
            "web=0 would leave nobody to answer",
            hint="nuages down stops the site, nuages maintenance on shows a page",
        )
    for name, number in scale.items():
        if not 0 <= number <= MOST:
            raise UsageError(f"{name}={number}: 0 to {MOST}")
