"""Questions to the live site right after the switch, as visitors ask them. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict

from nuages.engine.model import Desired, Live, Step
from nuages.engine.ops import perform, step
from nuages.engine.plan_database import code_of


SHOWN = 4  # paths in one line
OVERLAP = "0.5"  # seconds in which, without a proxy, the old workers accept as well
EVERYWHERE = ("0.0.0.0", "::", "")  # noqa: S104 - listened on, never asked


def is_held(desired: Desired, live: Live, *, window: bool) -> bool:
    """May the old generation run on whole until the questions are answered, and every other host has switched as well? On a
    server, unless it can't live with the migrated tables; on this machine both share one socket, and nobody could tell who
    answers."""
    topology = desired.placement.topology
    waits = len(topology.hosts) > 1 or bool(list(questions(desired, live)))
    return topology.remote and bool(live.serving) and not window and waits


def questions(desired: Desired, live: Live) -> Iterable[Step]:
    """What [pipeline] smoke_live asks of a new release; not of one that a rollback brings back, which may know less, and
    not while visitors see the maintenance page."""
    topology = desired.placement.topology
    asked = topology.pipeline.smoke_live
    if not asked or not desired.new or live.maintenance or "rollback_to" in desired.release:
        return
    told = json.dumps([asdict(question) for question in asked])
    after = () if topology.remote else ("--after", OVERLAP)
    words = ("--to", _door(desired), *after, "--questions", told)
    command = code_of(desired).module("smoke", *words, timeout=60 * len(asked))
    what = ", ".join(q.path for q in asked[:SHOWN]) + (" ..." if len(asked) > SHOWN else "")
    why = "asked as visitors ask; else what was live comes back"
    yield step("?", f"the live site answers {what}", why, perform(command))


def _door(desired: Desired) -> str:
    """Where visitors' requests arrive on this host."""
    placement, policy = desired.placement, desired.placement.policy
    topology, secure = placement.topology, bool((policy.get("tls") or {}).get("enabled"))
    if topology.remote:
        return f"127.0.0.1:{policy['port']}" if topology.services.proxy != "none" else f"unix:{placement.layout.socket}"
    if secure and topology.domains:  # another proxy stands before it, elsewhere
        return f"{topology.domains[0]}:443"
    return f"{'127.0.0.1' if topology.bind in EVERYWHERE else topology.bind}:{policy['port']}"
