"""Desired - observed -> steps. Pure. Every step says what and why, and how to take it back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from nuages.engine.model import Desired, Live, Op, Plan, Step
from nuages.hosts.command import Command
from nuages.migrations.model import Judgement
from nuages.migrations.rehearsal import Code, run_all, run_phase
from nuages.release.build import describe_source
from nuages.release.layout import SCHEMA


HOST = "localhost"
SHOWN = 4  # names of migrations in one line
DIRECTORIES = (
    ("", 0o755),
    ("run", 0o700),
    ("config", 0o700),
    ("shared", 0o755),
    ("shared/data", 0o700),
    ("shared/media", 0o755),
    ("shared/static", 0o755),
    ("shared/files", 0o755),
    ("numbered", 0o755),
    ("logs", 0o755),
    ("snapshots", 0o700),
)


def make_plan(
    desired: Desired, live: Live, judgement: Judgement | None = None, *, force: bool = False
) -> Plan:
    """Every step from what is to what should be; empty when there is nothing to do. A live and healthy release is left alone."""
    healthy = (
        live.serving.split("-")[0] == f"v{desired.number}"
        and not desired.new
        and not _listens_elsewhere(desired, live)
    )
    tidy = tuple(_leftovers(desired, live))
    upgrade = _programs(desired, live)
    if healthy and not force:
        return Plan(
            switch=(*tidy, *upgrade),
            reason=f"v{desired.number} is live and nothing changed",
            facts=_facts(desired, live),
        )
    steps = [*_site(desired, live), *upgrade, *tidy]
    if desired.new:
        steps += [*_release(desired), *_static(desired)]
    window = bool(judgement and judgement.window)
    if window:
        steps.append(_maintenance(desired, on=True))
    if desired.new and not live.release:
        steps.append(_first_migration(desired))
    if desired.new:
        steps += [
            *_prepare_database(desired, judgement),
            *_migrate(desired, judgement, "before"),
            *_migrate(desired, judgement, "window"),
            *_release_commands(desired),
        ]
    steps += _go_live(desired, live)
    if window and not live.maintenance:
        steps.append(_maintenance(desired, on=False))
    return Plan(
        switch=tuple(steps),
        settle=tuple(_settle(desired, live, judgement)),
        judgement=judgement,
        facts=_facts(desired, live),
    )


def _facts(desired: Desired, live: Live) -> dict[str, Any]:
    return {
        "release": desired.number,
        "build": desired.placement.build.id,
        "config": desired.config.version,
        "live": live.number,
        "listen": desired.listen,
    }


def _listens_elsewhere(desired: Desired, live: Live) -> bool:
    return bool(live.address) and live.address != desired.listen


# --- parts, in the order in which they run -------------------------------------------------------------------


def _site(desired: Desired, live: Live) -> Iterable[Step]:
    layout, topology = live.layout, desired.placement.topology
    record = {
        "schema": SCHEMA,
        "name": topology.name,
        "root": str(topology.root),
        "port": desired.placement.policy["port"],
    }
    if live.site != record:
        ops: list[Op] = [
            {"op": "mkdir", "path": str(layout / part), "mode": mode} for part, mode in DIRECTORIES
        ]
        ops.append(_file(layout.site_file, json.dumps(record, indent=1)))
        yield Step(
            "~" if live.site else "+", HOST, f"site {topology.name}", f"state in {layout.dir}", tuple(ops)
        )
    stored = (live.config or {}).get("version", 0)
    if desired.config.version != stored:
        path = layout.config(desired.config.version)
        written = (
            _file(path, json.dumps(desired.config.as_dict(), indent=1), 0o600),
            *_config_files(desired),
        )
        yield Step(
            "+", HOST, f"config v{desired.config.version}", desired.config.why, written, (_remove(path),)
        )


def _config_files(desired: Desired) -> list[Op]:
    folder = desired.placement.layout.shared("config-files")
    return [_file(folder / name, content, 0o600) for name, content in desired.config.files.items()]


def _programs(desired: Desired, live: Live) -> tuple[Step, ...]:
    """The supervisor's own programs: replaced under a running site without closing its socket."""
    folder = live.layout / "keeper" / desired.programs
    running = str(live.supervisor.get("home", "")).rsplit("/", 1)[-1] if live.supervisor else live.programs
    if running == desired.programs or desired.supervisor.programs is None:
        return ()
    ops: list[Op] = [
        _remove(folder),
        {"op": "copy", "path": str(desired.supervisor.programs), "to": str(folder)},
        _link(live.layout / "keeper" / "current", desired.programs),
    ]
    if live.supervisor:
        ops.append(_run(desired.supervisor.ask(live.layout, live.machine, "upgrade")))
        return (
            Step(
                "~",
                HOST,
                f"supervisor {desired.programs}",
                "Nuages was upgraded; the socket stays open",
                tuple(ops),
            ),
        )
    return (
        Step(
            "+",
            HOST,
            f"supervisor {desired.programs}",
            "holds the socket and watches the processes",
            tuple(ops),
        ),
    )


def _leftovers(desired: Desired, live: Live) -> Iterable[Step]:
    """What an interrupted deploy left behind: generations that never got traffic, releases that never went live."""
    for name, generation in live.supervisor.get("generations", {}).items():
        if name != live.serving and generation.get("state") != "draining":
            yield Step(
                "-",
                HOST,
                f"generation {name}",
                "left by an interrupted deploy",
                (_run(desired.supervisor.ask(live.layout, live.machine, "discard", name)),),
            )
    for name, release in live.numbered.items():
        if release["number"] > live.number:
            yield Step(
                "-",
                HOST,
                f"release {name}",
                "left by an interrupted deploy; it never went live",
                (_remove(live.layout / "numbered" / name),),
            )


def _release(desired: Desired) -> Iterable[Step]:
    placement = desired.placement
    folder = placement.layout.numbered(desired.number)
    build = placement.build
    ops = (
        _remove(folder),
        {"op": "mkdir", "path": str(folder)},
        _file(
            folder / "policy.json",
            json.dumps({**placement.policy, "phase": "serve"}, indent=1, sort_keys=True, default=str),
        ),
        _file(folder / "env.json", json.dumps(dict(desired.environ), indent=1, sort_keys=True), 0o600),
        {"op": "symlink", "path": str(folder / "runtime"), "target": f"../../releases/{build.id}/runtime"},
        {"op": "symlink", "path": str(folder / "source"), "target": f"../../releases/{build.id}/source"},
        _file(folder / "release.json", json.dumps({**desired.release, "why": desired.why}, indent=1)),
    )
    what = f"release v{desired.number}: {describe_source(build.manifest)}, build {build.id}, config v{desired.config.version}"
    yield Step("+", HOST, what, desired.why, ops, (_remove(folder),))


def _static(desired: Desired) -> Iterable[Step]:
    build = desired.placement.build
    count = build.manifest.get("static_files", 0)
    if count:
        union = {
            "op": "union",
            "path": str(build.path / "static"),
            "to": str(desired.placement.policy["static_serve"]),
        }
        yield Step(
            "~",
            HOST,
            f"{count} static files beside the older ones",
            "pages of the old release still find theirs",
            (union,),
        )


def _migrate(desired: Desired, judgement: Judgement | None, phase: str) -> list[Step]:
    pending = getattr(judgement, phase) if judgement else ()
    relax = judgement.relax if judgement and phase == "before" else ()
    if not judgement or not (pending or relax):
        return []
    more = len(pending) - SHOWN
    names = ", ".join(p.label for p in pending[:SHOWN]) + (f" and {more} more" if more > 0 else "")
    what = f"migrate {names}" if pending else f"let {', '.join(relax)} be empty"
    keep = str(desired.placement.layout / "kept-defaults.json") if phase == "before" else ""
    rules = desired.placement.topology.migrations
    command = run_phase(
        _code(desired),
        tuple(p.label for p in pending),
        lock_timeout=rules.lock_timeout,
        keep=keep,
        relax=relax,
        alias=judgement.alias,
    )
    why = {
        "before": "the live release can run on the new tables",
        "window": "the live release can't run on the new tables",
        "after": "only once the old release is gone",
    }
    return [Step("~" if phase == "before" else "!", HOST, what, why[phase], (_run(command),))]


def _first_migration(desired: Desired) -> Step:
    command = run_all(_code(desired), lock_timeout=desired.placement.topology.migrations.lock_timeout)
    return Step("~", HOST, "migrate", "nothing is live beside it yet", (_run(command),))


def _prepare_database(desired: Desired, judgement: Judgement | None) -> Iterable[Step]:
    """Before any migration: a snapshot where one can't be taken back, and columns that the new release does not fill."""
    if judgement and judgement.snapshot and (judgement.before or judgement.window or judgement.after):
        yield Step(
            "+",
            HOST,
            f"snapshot before v{desired.number}",
            "a migration can't be taken back",
            tuple(_run(c) for c in desired.snapshots),
        )


def _code(desired: Desired) -> Code:
    placement = desired.placement
    return Code(placement.python, placement.env, str(placement.policy["manage_dir"]))


def _release_commands(desired: Desired) -> list[Step]:
    lines = [p for p in desired.placement.manifest["processes"] if p["kind"] == "release"]
    path = f"{desired.placement.manifest['environment']}/bin:/usr/local/bin:/usr/bin:/bin"
    steps = []
    for line in lines:
        command = Command(
            ("/bin/sh", "-c", line["command"]),
            env={**desired.placement.env, "PATH": path},
            cwd=str(desired.placement.policy["manage_dir"]),
            timeout=3600,
        )
        steps.append(Step("!", HOST, f"release command: {line['command']}", line["source"], (_run(command),)))
    return steps


def _go_live(desired: Desired, live: Live) -> Iterable[Step]:
    ask, layout, machine = desired.supervisor.ask, live.layout, live.machine
    topology, generation = desired.placement.topology, desired.generation
    within = topology.health.within
    if not live.supervisor or _listens_elsewhere(desired, live):
        yield Step(
            "+",
            HOST,
            f"listen on {desired.listen}",
            "one socket, held through every deploy",
            (_run(ask(layout, machine, "ensure", "--listen", desired.listen)),),
        )
    kinds = ", ".join(_count(p) for p in desired.spec["processes"])
    yield Step(
        "+",
        HOST,
        f"start {generation}: {kinds}",
        f"beside {live.serving}, without traffic yet" if live.serving else "without traffic yet",
        (
            _file(layout.generation(generation) / "spec.json", json.dumps(desired.spec), 0o600),
            _run(ask(layout, machine, "start", generation)),
        ),
        (_run(ask(layout, machine, "discard", generation)),),
    )
    yield Step(
        "?",
        HOST,
        f"{generation} answers GET {topology.health.path}",
        f"within {within:g} s, asked with a real Host",
        (_run(ask(layout, machine, "prove", generation, "--timeout", f"{within:g}", timeout=within + 30)),),
    )
    back = (
        [
            _link(layout.live, f"numbered/v{live.number}"),
            _link(layout.current, f"releases/{live.release['build']}"),
        ]
        if live.release
        else [_remove(layout.live), _remove(layout.current)]
    )
    links = (
        _link(layout.current, f"releases/{desired.placement.build.id}"),
        _link(layout.live, f"numbered/v{desired.number}"),
    )
    if desired.new:
        yield Step(
            "~",
            HOST,
            f"v{desired.number} is the live release",
            f"was v{live.number}" if live.number else "",
            links,
            tuple(back),
        )
    old = f"from {live.serving} " if live.serving else ""
    yield Step(
        "~",
        HOST,
        f"traffic {old}to {generation}",
        "no connection is closed",
        (_run(ask(layout, machine, "switch", generation, timeout=topology.drain + 90)),),
    )


def _count(process: Mapping[str, Any]) -> str:
    amount = process["workers"] if process["kind"] == "web" else process["instances"]
    return f"{process['name']} x{amount}"


def _maintenance(desired: Desired, *, on: bool) -> Step:
    path = desired.placement.layout.maintenance
    if on:
        return Step(
            "!",
            HOST,
            "maintenance page on",
            "migrations that the old release can't live with",
            (_file(path, "deploy\n"),),
            (_remove(path),),
        )
    return Step("~", HOST, "maintenance page off", "", (_remove(path),))


def _settle(desired: Desired, live: Live, judgement: Judgement | None) -> Iterable[Step]:
    """Once the new release is live: the old one ends, contracting migrations run, old releases go."""
    if live.serving or any(
        g.get("state") == "draining" for g in live.supervisor.get("generations", {}).values()
    ):
        drain = desired.placement.topology.drain
        command = desired.supervisor.ask(
            live.layout, live.machine, "drain-wait", "--timeout", f"{drain + 10:g}", timeout=drain + 60
        )
        yield Step(
            "-",
            HOST,
            f"drain {live.serving}",
            f"requests and jobs under way may take {drain:g} s",
            (_run(command),),
        )
    yield from _migrate(desired, judgement, "after")
    yield from _retention(desired, live)


def _retention(desired: Desired, live: Live) -> Iterable[Step]:
    keep = desired.placement.topology.keep
    kept = {
        desired.number,
        *sorted((r["number"] for r in live.numbered.values() if r["number"] <= live.number), reverse=True)[
            : keep - 1
        ],
    }
    builds = {desired.placement.build.id} | {
        r["build"] for r in live.numbered.values() if r["number"] in kept
    }
    venvs = {desired.placement.manifest["venv"]} | {
        r.get("venv", "") for r in live.numbered.values() if r["number"] in kept
    }
    gone = [
        live.layout.numbered(r["number"])
        for r in live.numbered.values()
        if r["number"] <= live.number and r["number"] not in kept
    ]
    gone += [live.layout.build(b) for b in live.builds if b not in builds]
    gone += [live.layout.venvs / v for v in live.venvs if v not in venvs]
    if gone:
        yield Step(
            "-",
            HOST,
            f"{len(gone)} old releases, builds and environments",
            f"the last {keep} releases are kept",
            (_remove(*gone),),
        )


# --- operations ----------------------------------------------------------------------------------------------


def _run(command: Command) -> Op:
    return {
        "op": "run",
        "argv": list(command.argv),
        "env": {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", **command.environment()},
        "cwd": command.cwd or None,
        "timeout": command.timeout,
    }


def _file(path: Any, content: str, mode: int = 0o644) -> Op:
    return {"op": "file", "path": str(path), "content": content, "mode": mode}


def _link(path: Any, target: str) -> Op:
    return {"op": "symlink", "path": str(path), "target": target}


def _remove(*paths: Any) -> Op:
    return {"op": "remove", "paths": [str(p) for p in paths]}
