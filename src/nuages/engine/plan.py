"""Desired - observed -> steps. Pure. Every step says what and why, and how to take it back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from nuages.engine import plan_database as database
from nuages.engine import plan_site as disk
from nuages.engine.model import PAGE, Desired, Live, Plan, Seat, Step, Surroundings
from nuages.engine.ops import link, perform, remove, step, write
from nuages.engine.plan_confirm import is_held, questions
from nuages.engine.request import Request
from nuages.migrations.model import Judgement


def make_plan(
    desired: Desired, live: Live, judgements: tuple[Judgement, ...] = (), *, ready: tuple[Step, ...] = (), force: bool = False
) -> Plan:
    """Every step from what is to what should be; empty when there is nothing to do. A live and healthy release is left alone.

    `ready` are the steps that make a server fit for the site; they come first.
    """
    later = tuple(each for each in ready if _is_needed_until_drained(each))
    plan = _plan(desired, live, judgements, tuple(each for each in ready if each not in later), force=force)
    return on_host(replace(plan, settle=(*plan.settle, *later)), live.host.name)


def _is_needed_until_drained(step: Step) -> bool:
    """A template whose process the new release no longer has: without it systemd would end the old ones' children at once."""
    return step.symbol == "-" and step.what.startswith("/etc/systemd/system/") and step.what.endswith("@.service")


def make_plans(
    desired: Sequence[Desired],
    sites: Sequence[Seat],
    judgements: tuple[Judgement, ...],
    surroundings: Sequence[Surroundings],
    request: Request,
) -> tuple[Plan, ...]:
    """One for each host; migrations belong to the first."""
    plans = []
    for each, seat, around in zip(desired, sites, surroundings, strict=True):
        plan = make_plan(each, seat.live, judgements, ready=around.steps, force=request.force)
        first = around.first and bool(plan.ready) and not request.asked
        plans.append(replace(plan, notes=around.notes, first=first, drifted=around.drifted))
    return tuple(plans)


def on_host(plan: Plan, name: str) -> Plan:
    def named(steps: tuple[Step, ...]) -> tuple[Step, ...]:
        return tuple(replace(each, host=name) for each in steps)

    parts = {part: named(getattr(plan, part)) for part in ("ready", "switch", "confirm", "settle")}
    return replace(plan, **parts)  # type: ignore[arg-type]


def _plan(desired: Desired, live: Live, judgements: tuple[Judgement, ...], ready: tuple[Step, ...], *, force: bool) -> Plan:
    tidy = [*disk.programs(desired, live), *disk.leftovers(desired, live)]
    facts = _facts(desired, live)
    if _is_served(desired, live) and not force:
        rest = (*disk.site(desired, live), *tidy, *(() if live.page_holds else _page_left(desired, live)))
        reason = f"v{desired.number} is live and nothing changed"
        left = _draining(live) if desired.placement.topology.remote else []  # here the supervisor itself sees them end
        settle = (*_drain(desired, live, left), *database.finish(desired, live))
        return Plan(rest, settle, reason=reason, facts=facts, ready=ready)
    window = any(j.window or j.move for j in judgements)
    steps = [*disk.site(desired, live), *disk.configuration(desired, live), *tidy]
    steps += [*disk.release(desired), *disk.static(desired, live)] if desired.new else []
    steps = _phase("prepare", steps)
    if desired.new:
        steps += _phase(
            "migrate",
            [_maintenance(desired, on=True, move=any(j.move for j in judgements))] if window and not live.maintenance else [],
        )
        steps += _phase("migrate", _database(desired, live, judgements) if desired.lead else ())
    held = is_held(desired, live, window=window)
    steps += _go_live(desired, live, held=held)
    if window and not live.maintenance:
        steps += _phase("switch", [_maintenance(desired, on=False)])
    steps += _phase("switch", _page_left(desired, live))
    steps += _keep(desired, live) if held else []
    settle = tuple(_settle(desired, live, judgements))
    confirm = () if held else tuple(questions(desired, live))
    return Plan(tuple(steps), settle, judgements=judgements, facts=facts, ready=ready, confirm=confirm)


def _phase(name: str, steps: Iterable[Step]) -> list[Step]:
    return [replace(each, phase=name) for each in steps]


def _is_served(desired: Desired, live: Live) -> bool:
    running = live.supervisor.get("generations", {}).get(live.serving, {})
    same_units = running.get("units") == desired.spec.get("units")
    as_named = not desired.new and live.serving.split("-")[0] == f"v{desired.number}"
    return as_named and same_units and not _listens_elsewhere(desired, live)


def _listens_elsewhere(desired: Desired, live: Live) -> bool:
    return bool(live.address) and live.address != desired.listen


def _facts(desired: Desired, live: Live) -> dict[str, Any]:
    build, topology = desired.placement.build.id, desired.placement.topology
    return {
        "release": desired.number,
        "build": build,
        "config": desired.config.version,
        "live": live.number,
        "listen": desired.listen,
        "secure": bool((desired.placement.policy.get("tls") or {}).get("enabled")),
        "name": (desired.placement.policy.get("domains") or [""])[0],
        "maintenance": live.maintenance,
        "protected": topology.name if topology.protected else "",
    }


def _database(desired: Desired, live: Live, judgements: tuple[Judgement, ...]) -> Iterable[Step]:
    for judgement in judgements:
        yield from judgement.move
        yield from database.first_migration(desired, judgement)
        yield from database.snapshot(desired, live, judgement)
        yield from database.migrate(desired, judgement, "before")
        yield from database.migrate_in_window(desired, judgement)
    if desired.release["build"] != (live.release or {}).get("build") and "rollback_to" not in desired.release:
        yield from database.release_commands(desired)
    yield from database.note_unfinished(desired, judgements)


def _go_live(desired: Desired, live: Live, *, held: bool = False) -> Iterable[Step]:
    """Start beside, prove, name it live, move the traffic: each can be taken back until the last is done."""
    yield from _phase("start", _start(desired, live))
    yield from _phase("switch", _switch(desired, live, held=held))


def _keep(desired: Desired, live: Live) -> list[Step]:
    """The site is asked while what was live still runs whole: a wrong answer moves the traffic back."""
    ask, bound = desired.supervisor.ask, desired.placement.topology.drain + 90
    keep = perform(ask(live.layout, live.machine, "switch", desired.generation, timeout=bound))
    asked = _phase("confirm", questions(desired, live))
    return [
        *asked,
        *_phase("keep", [step("~", f"{desired.generation} keeps the traffic", f"{live.serving} is told to end", keep)]),
    ]


def _start(desired: Desired, live: Live) -> Iterable[Step]:
    ask, layout, machine = desired.supervisor.ask, live.layout, live.machine
    topology, generation = desired.placement.topology, desired.generation
    if not live.supervisor or _listens_elsewhere(desired, live):
        ensure = perform(ask(layout, machine, "ensure", "--listen", desired.listen))
        held = ("systemd keeps the site up", "after a reboot too")
        what, why = held if topology.remote else (f"listen on {desired.listen}", "one socket, held through every deploy")
        yield step("+", what, why, ensure)
    kinds = ", ".join(_count(p) for p in desired.spec["processes"])
    why = f"beside {live.serving}, without traffic yet" if live.serving else "without traffic yet"
    spec = write(layout.generation(generation) / "spec.json", json.dumps(desired.spec), 0o600)
    discard = perform(ask(layout, machine, "discard", generation))
    yield step(
        "+", f"start {generation}: {kinds}", why, spec, perform(ask(layout, machine, "start", generation)), undo=(discard,)
    )
    within = topology.health.within
    prove = perform(ask(layout, machine, "prove", generation, "--timeout", f"{within:g}", timeout=within + 30))
    smoke = (question["path"] for question in desired.placement.policy.get("smoke") or ())
    what = f"{generation} answers GET {', '.join(dict.fromkeys((topology.health.path, *smoke)))}"
    yield step("?", what, f"within {within:g} s, asked with a real Host", prove)


def _switch(desired: Desired, live: Live, *, held: bool) -> Iterable[Step]:
    ask, layout, machine = desired.supervisor.ask, live.layout, live.machine
    topology, generation = desired.placement.topology, desired.generation
    if desired.new:
        yield _name_live(desired, live)
    old = f"from {live.serving} " if live.serving else ""
    bound = topology.drain + 90
    hold = ("--hold",) if held else ()
    switch = perform(ask(layout, machine, "switch", generation, *hold, timeout=bound))
    back = (perform(ask(layout, machine, "switch", live.serving, timeout=bound)),) if live.serving and topology.remote else ()
    yield step("~", f"traffic {old}to {generation}", "no connection is closed", switch, undo=back)


def _name_live(desired: Desired, live: Live) -> Step:
    layout = live.layout
    links = (link(layout.current, f"releases/{desired.placement.build.id}"), link(layout.live, f"numbered/v{desired.number}"))
    if live.release:
        back = (link(layout.live, f"numbered/v{live.number}"), link(layout.current, f"releases/{live.release['build']}"))
    else:
        back = (remove(layout.live), remove(layout.current))
    return step("~", f"v{desired.number} is the live release", f"was v{live.number}" if live.number else "", *links, undo=back)


def _count(process: Mapping[str, Any]) -> str:
    amount = process["workers"] if process["kind"] == "web" else process["instances"]
    return f"{process['name']} x{amount}"


def _maintenance(desired: Desired, *, on: bool, move: bool = False) -> Step:
    path = desired.placement.layout.maintenance
    if on:
        why = "its rows move to another database" if move else "migrations that the live release can't live with"
        return step("!", "maintenance page on", why, write(path, f"{PAGE}\n"), undo=({**remove(path), "only": f"{PAGE}\n"},))
    return step("~", "maintenance page off", "", remove(path))


def _page_left(desired: Desired, live: Live) -> Iterable[Step]:
    if live.page_left:
        path = desired.placement.layout.maintenance
        yield step("~", "maintenance page off", "left by an interrupted deploy", remove(path))


def _settle(desired: Desired, live: Live, judgements: tuple[Judgement, ...]) -> Iterable[Step]:
    """Once the new release is live: the old one ends, contracting migrations run, old releases go."""
    yield from _drain(desired, live, [*_draining(live), *([live.serving] if live.serving else [])])
    yield from database.finish(desired, live)
    for judgement in judgements:
        yield from database.migrate(desired, judgement, "after")
    yield from disk.retention(desired, live)
    yield from database.drop_kept_defaults(desired, live, disk.oldest_kept(desired, live))


def _draining(live: Live) -> list[str]:
    """Without traffic since an earlier switch, and not gone yet: the deploy that made it did not stay to see them end."""
    return [n for n, g in live.supervisor.get("generations", {}).items() if g.get("state") == "draining" and n != live.serving]


def _drain(desired: Desired, live: Live, names: Sequence[str]) -> Iterable[Step]:
    if names:
        drain = desired.placement.topology.drain
        wait = desired.supervisor.ask(live.layout, live.machine, "drain-wait", "--timeout", f"{drain + 10:g}", timeout=drain + 60)
        yield step("-", f"drain {', '.join(names)}", f"requests and jobs under way may take {drain:g} s", perform(wait))
