"""What the buttons do: each is a Request as the verb of that name makes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from nuages.dashboard.jobs import Work
from nuages.deploy import deploy
from nuages.engine.maintenance import maintenance_plan, set_maintenance
from nuages.engine.model import Live
from nuages.engine.observe import observe, seats
from nuages.engine.request import Console, Request
from nuages.engine.rollback import earlier_configuration, target_of
from nuages.engine.scaling import check_scale
from nuages.errors import UsageError
from nuages.hosts import reach
from nuages.release.layout import site_layout
from nuages.settings.configuration import Configuration, set_scale
from nuages.topology import load_topology


FROM = "from the dashboard"


def chosen(root: Path, wish: Mapping[str, Any]) -> tuple[str, Work]:
    """What a button's JSON asks for: its title, and what to do. Raises UsageError for what no button sends."""
    what = wish.get("what")
    if what == "deploy" and set(wish) == {"what"}:
        return "deploy", partial(_deploy, root)
    if what == "restart" and set(wish) == {"what"}:
        return "restart", partial(_restart, root)
    if what == "rollback" and set(wish) == {"what", "number"} and _is_number(wish["number"]):
        return f"rollback to v{wish['number']}", partial(_roll_back, root, wish["number"])
    if what == "scale" and set(wish) == {"what", "scale"} and _is_scale(wish["scale"]):
        told = " ".join(f"{name}={number}" for name, number in wish["scale"].items())
        return f"scale {told}", partial(_scale, root, dict(wish["scale"]))
    if what == "maintenance" and set(wish) == {"what", "on"} and isinstance(wish["on"], bool):
        return f"maintenance {'on' if wish['on'] else 'off'}", partial(_maintain, root, on=wish["on"])
    raise UsageError("there is no such button")


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _is_scale(value: Any) -> bool:
    named = isinstance(value, dict) and bool(value) and all(isinstance(name, str) for name in value)
    return named and all(_is_number(number) or (number == 0 and number is not False) for number in value.values())


def _deploy(root: Path, console: Console) -> None:
    verb = "deploy" if load_topology(root).remote else "up"
    deploy(Request(root=root, what=verb, why=FROM), console)


def _restart(root: Path, console: Console) -> None:
    deploy(Request(root=root, what="restart", source="live", force=True, why=FROM), console)


def _roll_back(root: Path, number: int, console: Console) -> None:
    topology = load_topology(root)
    with reach(topology) as hosts:
        live = deployed(observe(hosts.lead, site_layout(topology), topology))
        target = target_of(live, f"v{number}")
        change = earlier_configuration(hosts.lead, live, target)
    request = Request(root=root, what="rollback", source="release", number=target, change=change)
    deploy(replace(request, why=f"rollback to v{target}, {FROM}"), console)


def _scale(root: Path, scale: Mapping[str, int], console: Console) -> None:
    topology = load_topology(root)
    with reach(topology) as hosts:
        check_scale(deployed(observe(hosts.lead, site_layout(topology), topology)), scale)

    def change(config: Configuration) -> Configuration:
        return set_scale(config, scale)

    deploy(Request(root=root, what="scale", source="live", change=change, why=FROM), console)


def _maintain(root: Path, console: Console, *, on: bool) -> None:
    topology = load_topology(root)
    layout = site_layout(topology)
    with reach(topology) as hosts:
        deployed(seats(hosts, layout, topology, topology)[0].live)
        plan = maintenance_plan(hosts, layout, on=on)
        plan = replace(plan, facts={"protected": topology.name if topology.protected else ""})
        console.plan(plan)
        set_maintenance(hosts, layout, plan, agreed=console.agreed, report=console.step)


def deployed(live: Live) -> Live:
    if not live.release:
        raise UsageError("the site has not been deployed yet", hint="Deploy first")
    return live
