"""Steps for what lies on the disk: the site, its configuration, the supervisor's programs, the release, old ones. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from nuages.engine.model import Desired, Live, Step
from nuages.engine.ops import link, make_directory, perform, remove, step, write
from nuages.release.build import describe_source
from nuages.release.layout import SCHEMA, sweep_op
from nuages.release.writable import fill_command


PRIVATE = {"run", "config", "shared/data", "snapshots"}
DIRECTORIES = (
    "",
    "run",
    "config",
    "shared",
    "shared/data",
    "shared/media",
    "shared/static",
    "shared/files",
    "numbered",
    "logs",
    "snapshots",
)


def site(desired: Desired, live: Live) -> Iterable[Step]:
    layout, topology = live.layout, desired.placement.topology
    remote = topology.remote  # there, the folder that it came from is another on each laptop
    record = {
        "schema": SCHEMA,
        "name": topology.name,
        "root": "" if remote else str(topology.root),
        "port": desired.placement.policy["port"],
    }
    if live.site != record and remote:
        yield step(
            "~" if live.site else "+",
            f"site {topology.name}",
            f"state in {layout.dir}",
            write(layout.site_file, json.dumps(record, indent=1)),
        )
    elif live.site != record:
        folders = [make_directory(layout / part, 0o700 if part in PRIVATE else 0o755) for part in DIRECTORIES]
        written = write(layout.site_file, json.dumps(record, indent=1))
        yield step("~" if live.site else "+", f"site {topology.name}", f"state in {layout.dir}", *folders, written)


def configuration(desired: Desired, live: Live) -> Iterable[Step]:
    config = desired.config
    if config.version == (live.config or {}).get("version", 0):
        return
    path = live.layout.config(config.version)
    account = desired.placement.account
    mode = 0o640 if account else 0o600
    files = [write(live.layout.shared("config-files") / n, t, mode, group=account) for n, t in config.files.items()]
    written = write(path, json.dumps(config.as_dict(), indent=1), 0o600)
    yield step("+", f"config v{config.version}", config.why, written, *files, undo=(remove(path),))


def programs(desired: Desired, live: Live) -> Iterable[Step]:
    """The supervisor's own programs: replaced under a running site without closing its socket."""
    embedded = desired.supervisor.name == "embedded"
    running = str(live.supervisor.get("home", "")).rsplit("/", 1)[-1] if live.supervisor and embedded else live.programs
    if running == desired.programs or desired.supervisor.programs is None:
        return
    folder = live.layout / "keeper" / desired.programs
    copies = [write(folder / path.name, path.read_text()) for path in sorted(desired.supervisor.programs.glob("*.py"))]
    ops = [remove(folder), *copies, link(live.layout / "keeper" / "current", desired.programs)]
    what = f"supervisor {desired.programs}"
    if not embedded:
        yield step(
            "~" if running else "+",
            f"program {desired.supervisor.name}-ctl {desired.programs}",
            "starts, proves and switches units",
            *ops,
        )
        return
    if live.supervisor:
        upgrade = perform(desired.supervisor.ask(live.layout, live.machine, "upgrade"))
        yield step("~", what, "Nuages was upgraded; the socket stays open", *ops, upgrade)
    else:
        yield step("+", what, "holds the socket and watches the processes", *ops)


def leftovers(desired: Desired, live: Live) -> Iterable[Step]:
    """What an interrupted deploy left behind: generations that never got traffic, releases that never went live."""
    for name, generation in live.supervisor.get("generations", {}).items():
        if name != live.serving and generation.get("state") != "draining":
            discard = perform(desired.supervisor.ask(live.layout, live.machine, "discard", name))
            yield step("-", f"generation {name}", "left by an interrupted deploy", discard)
    for name, release in live.numbered.items():
        if release["number"] > live.number:
            folder = live.layout / "numbered" / name
            yield step("-", f"release {name}", "left by an interrupted deploy; it never went live", remove(folder))


def release(desired: Desired) -> Iterable[Step]:
    placement = desired.placement
    folder, build = placement.layout.numbered(desired.number), placement.build
    fill = fill_command(build.path, build.manifest, placement.layout, placement.machine.python, placement.account)
    policy = json.dumps({**placement.policy, "phase": "serve"}, indent=1, sort_keys=True, default=str)
    ops = (
        remove(folder),
        make_directory(folder),
        write(folder / "policy.json", policy),
        write(folder / "env.json", json.dumps(dict(desired.environ), indent=1, sort_keys=True), 0o600),
        link(folder / "runtime", f"../../releases/{build.id}/runtime"),
        link(folder / "source", f"../../releases/{build.id}/source"),
        write(folder / "release.json", json.dumps({**desired.release, "why": desired.why}, indent=1)),
        *([perform(fill)] if fill else []),
    )
    what = f"release v{desired.number}: {describe_source(build.manifest)}, build {build.id}, config v{desired.config.version}"
    yield step("+", what, desired.why, *ops, undo=(remove(folder),))


def static(desired: Desired, live: Live) -> Iterable[Step]:
    build = desired.placement.build
    count = build.manifest.get("static_files", 0)
    if count and build.id != (live.release or {}).get("build"):
        union = {"op": "union", "path": str(build.path / "static"), "to": str(desired.placement.policy["static_serve"])}
        beside = ("~", f"{count} static files beside the older ones", "pages of the old release still find theirs")
        yield step(*(beside if live.release else ("+", f"{count} static files", "under hashed names, compressed")), union)


def retention(desired: Desired, live: Live) -> Iterable[Step]:
    """The last `keep` releases stay, with the builds, environments, configurations and static files they need."""
    kept = [desired.release, *_kept(desired, live)]
    layout = live.layout
    stay = {part: {r.get(part) for r in kept} for part in ("number", "build", "venv", "config")}
    past = [r for r in _past(live) if r["number"] not in stay["number"]]
    configs = {r["config"] for r in past} - stay["config"] - {(live.config or {}).get("version"), desired.config.version}
    gone = [layout.numbered(r["number"]) for r in past] + [layout.config(version) for version in sorted(configs)]
    gone += [layout.build(b) for b in live.builds if b not in stay["build"]]
    gone += [layout.venvs / v for v in live.venvs if v not in stay["venv"]]
    if gone:
        what = "1 old entry" if len(gone) == 1 else f"{len(gone)} old entries"
        keep = desired.placement.topology.keep
        trees = [str(layout.build(str(b)) / "static") for b in sorted(map(str, stay["build"]))]
        prune = {"op": "prune", "path": str(desired.placement.policy["static_serve"]), "keep": trees}
        sweep = [sweep_op(layout)] if desired.placement.topology.remote else []
        kept_by = f"the last {keep} releases are kept"
        yield step("-", f"{what} of releases, builds and environments", kept_by, remove(*gone), prune, *sweep)


def oldest_kept(desired: Desired, live: Live) -> int:
    """The number of the oldest release that a rollback can reach after this deploy."""
    return min([desired.number, *(int(r["number"]) for r in _kept(desired, live))])


def _past(live: Live) -> list[Mapping[str, Any]]:
    return sorted((r for r in live.numbered.values() if r["number"] <= live.number), key=lambda r: -r["number"])


def _kept(desired: Desired, live: Live) -> list[Mapping[str, Any]]:
    return [r for r in _past(live) if r["number"] != desired.number][: desired.placement.topology.keep - 1]
