"""Bring a build to the hosts where the site lives: what they lack of its environment, then the build itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from nuages.engine.inspecting import Work
from nuages.engine.model import Seat
from nuages.engine.prepare import Prepared, lock_for
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
        return _send(prepared.build, project, work, by_transport[id(transport)])

    return tuple(together([seat.transport for seat in sites], send))


def _send(made: Build, project: Project, work: Work, seat: Seat) -> Build:
    from nuages.environments.pieces import gather
    from nuages.environments.placing import place_environment
    from nuages.environments.target import target_key
    from nuages.release.shipping import ship_build

    live, topology = seat.live, work.topology
    layout, host = live.layout, seat.transport
    target, lock = lock_for(work, project, live.machine)
    environment = str(layout.venvs / target_key(lock))
    build = replace(made, manifest={**made.manifest, "environment": environment, "venv": target_key(lock)})
    if build.id in live.builds and target_key(lock) in live.venvs:
        return replace(build, path=layout.build(build.id))
    progress = partial(_tell, work, live.host.name)
    pieces = gather(work.here, lock, target, progress)
    store, journal = layout / "store", str(layout.journal)
    place_environment(
        work.here,
        host,
        lock,
        pieces,
        target,
        layout.venvs,
        store,
        topology.account,
        progress,
        cores=live.machine.cores,
        journal=journal,
    )
    return ship_build(build, host, layout, progress)


def _tell(work: Work, name: str, line: str) -> None:
    work.progress(f"{name}: {line}")
