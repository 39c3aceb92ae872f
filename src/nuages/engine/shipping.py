"""Bring a build to the hosts where the site lives: what they lack of its environment, then the build itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from nuages.engine.aim import aim_of, lock_for
from nuages.engine.inspecting import Work
from nuages.engine.model import Seat
from nuages.engine.prepare import Prepared
from nuages.environments.model import Environment
from nuages.hosts import together
from nuages.hosts.transport import Transport
from nuages.project.model import Project
from nuages.release.build import Build


def ship(prepared: Prepared, work: Work, sites: Sequence[Seat]) -> tuple[Build, ...]:
    """The build as it lies on each host. Fills the hosts' stores; nothing live refers to what it brings.

    A build that was there already (`prepared.project` is None) is where it is.
    """
    project = prepared.project
    if not work.topology.remote or project is None:
        return tuple(prepared.build for _seat in sites)
    by_transport = {id(seat.transport): seat for seat in sites}

    def send(transport: Transport) -> Build:
        return _send(prepared.build, project, prepared.key, work, by_transport[id(transport)])

    return tuple(together([seat.transport for seat in sites], send))


def _send(made: Build, project: Project, key: str, work: Work, seat: Seat) -> Build:
    live, host = seat.live, seat.transport
    there = live.manifest or {}
    if there.get("build") == made.id and there.get("venv") == aim_of(work, project, key, live.machine).key:
        now = {name: made.manifest.get(name) for name in ("commit", "branch", "dirty")}
        return Build(made.id, live.layout.build(made.id), {**there, **now})
    from nuages.environments.pieces import gather
    from nuages.environments.placing import place_environment, question_of
    from nuages.release.shipping import questions_of, read_contents, ship_build

    target, lock = lock_for(work, project, live.machine)
    progress = partial(_tell, work, live.host.name)
    work.progress(f"{live.host.name}: bringing what it lacks of the release")
    pieces = gather(work.here, lock, target, progress)
    layout, cores = live.layout, live.machine.cores
    account = work.topology.account if live.site else ""
    contents = read_contents(made.path)
    asked = {"files": question_of(lock, pieces, target, layout.venvs), **questions_of(made, contents, layout)}
    told = host.read(asked)
    environment = place_environment(
        work.here,
        host,
        lock,
        pieces,
        target,
        layout.venvs,
        layout / "store",
        account,
        progress,
        cores=cores,
        journal=str(layout.journal),
        there=told["files"],
    )
    build = _moved(made, environment)
    return ship_build(build, host, layout, progress, account=account, cores=cores, contents=contents, there=told)


def _moved(build: Build, environment: Environment) -> Build:
    """With the environment that it runs in there."""
    there = {
        "environment": environment.path,
        "venv": environment.key,
        "python": environment.python.version,
        "versions": dict(environment.lock.versions),
    }
    return replace(build, manifest={**build.manifest, **there})


def _tell(work: Work, name: str, line: str) -> None:
    work.progress(f"  {name}: {line}")
