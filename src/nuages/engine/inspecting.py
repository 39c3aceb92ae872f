"""Stage 3: read the project's files, lock and build its environment, ask the project itself. Or remember.

A second look at the same files with the same configuration costs a digest.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from nuages import __version__
from nuages.components.contract import Machine
from nuages.components.proxy import names_of
from nuages.components.registry import app_server
from nuages.engine.model import Live
from nuages.engine.services import exports_of, refuse_many_databases, requirements_of, with_exports
from nuages.environments.model import Environment, Lock, Target
from nuages.hosts.transport import Progress, Transport
from nuages.project import as_json, from_json
from nuages.project.model import Files, Project
from nuages.release.layout import Layout, store_layout
from nuages.release.shipped import RUNTIME, runtime_digest
from nuages.release.source import Source, read_source
from nuages.settings.configuration import Configuration
from nuages.settings.overlay import make_policy
from nuages.topology.model import Hooks, Notify, Pipeline, Topology


USUAL_WORKERS = 2  # what the audit assumes: one worker would hide what several of them break


@dataclass(frozen=True)
class Work:
    """What every part of stages 3 to 5 needs. `store` is where this machine keeps what it makes; `live.layout` where the
    site lives, which is the same on this machine. `config` holds the exports of the site's services below the user's."""

    topology: Topology
    live: Live
    config: Configuration
    here: Transport
    progress: Progress
    store: Layout


def work_on(topology: Topology, live: Live, config: Configuration, here: Transport, progress: Progress) -> Work:
    """The project is asked and built with what its services will give it."""
    refuse_many_databases(topology, config)
    exports = exports_of(topology, live.machine, live.manifest or {})
    return Work(topology, live, with_exports(config, exports), here, progress, store_layout(topology))


@dataclass(frozen=True)
class Inspected:
    """Stage 3's answer, with what it was made from."""

    project: Project
    source: Source
    key: str  # of everything that went into it
    fresh: bool  # was it looked at just now?


def inspect_here(work: Work) -> Inspected:
    """Read, lock, build the environment and probe; or remember. Raises what those raise."""
    topology, cache = work.topology, work.store.cache
    source = read_source(topology.source, work.here, cache / "digests.json")
    key = _key(work, source)
    kept = cache / "inspections" / f"{key}.json"
    remembered = _remember(kept)
    if remembered:
        here = replace(remembered, files=replace(remembered.files, root=source.root))  # it may have lain elsewhere then
        return Inspected(here, source, key, fresh=False)
    from nuages.project import read_files

    files = read_files(topology.source, topology, source.files)
    project = _probe(work, files, _environment(work, files, guess_interface(topology, files)), source)
    if project.interface != guess_interface(topology, files):
        project = replace(project, environment=_environment(work, files, project.interface))
    _keep(kept, project)
    return Inspected(project, source, key, fresh=True)


def guess_interface(topology: Topology, files: Files) -> str:
    return topology.interface or ("wsgi" if files.wsgi or not files.asgi else "asgi")


def _environment(work: Work, files: Files, interface: str) -> Environment:
    from nuages.environments import build_environment, make_lock

    topology, layout, machine = work.topology, work.store, work.live.machine
    stack = stack_of(work, interface)
    # Static files are made with the versions that the server serves them to.
    served = topology.remote and machine.arch
    versions = server_lock(work, files, interface, machine)[1].versions if served else None
    lock = make_lock(
        work.here,
        topology.source,
        files.requirements,
        files.python_hints,
        topology.python or series_of(work, files),
        stack,
        layout / "locks",
        work.progress,
        prefer=versions,
    )
    # Bytecode is written by what imports it first, the probe: compiling every file of every package costs ten times as much.
    return build_environment(work.here, lock, layout.venvs, work.progress, compile_bytecode=False)


def server_lock(work: Work, files: Files, interface: str, machine: Machine) -> tuple[Target, Lock]:
    """The project's packages for the Python of a server; what is live stays as it is where it fits."""
    from nuages.environments.target import target_lock

    target = server_target(work, files, machine)
    live = dict((work.live.manifest or {}).get("versions") or {})
    root, keep, stack = work.topology.source, work.store / "locks", stack_of(work, interface)
    requirements, hints, wanted = files.requirements, files.python_hints, work.topology.python
    lock = target_lock(work.here, root, requirements, hints, wanted, stack, target, keep, work.progress, prefer=live)
    return target, lock


def server_target(work: Work, files: Files, machine: Machine) -> Target:
    """The Python of a server that the project runs on."""
    from nuages.environments.target import choose_python

    system = f"{machine.os.capitalize()} {machine.os_version}".strip()
    target = Target(machine.python_version, machine.python, machine.arch, machine.libc, system)
    return choose_python(target, machine.pythons, files.python_hints, work.topology.python)


def stack_of(work: Work, interface: str) -> tuple[str, ...]:
    """What is added to the project's own packages."""
    topology, uses = work.topology, work.live.manifest or {}
    served = (*app_server(topology.server).requires(interface), *requirements_of(topology, work.live.machine, uses))
    return tuple(dict.fromkeys((*served, *topology.packages, *drivers(work.config))))


def series_of(work: Work, files: Files) -> str:
    """What is asked here should be what runs there: the server's series of Python, where this machine has it."""
    if not work.topology.remote:
        return ""
    from nuages.environments.interpreters import interpreters

    series = ".".join(server_target(work, files, work.live.machine).python.split(".")[:2])
    return series if any(p.version.startswith(f"{series}.") for p in interpreters(work.here)) else ""


OTHER_DRIVERS = {"psycopg": ("psycopg2", "psycopg2-binary"), "mysqlclient": ("pymysql",)}


def lacks_driver(config: Configuration, versions: Mapping[str, str]) -> bool:
    """Does this configuration name a service that nothing of an environment can talk to?"""
    names = [re.split(r"[^\w-]", wanted)[0] for wanted in drivers(config)]
    return any(not {name, *OTHER_DRIVERS.get(name, ())} & set(versions) for name in names)


def drivers(config: Configuration) -> tuple[str, ...]:
    """A database or cache that the configuration names needs its driver, where the project does not bring one."""
    schemes = {name: config.env.get(name, "").split(":", 1)[0].lower() for name in ("DATABASE_URL", "CACHE_URL", "REDIS_URL")}
    drivers = []
    if schemes["DATABASE_URL"].startswith(("postgres", "postgis", "pgsql")):
        drivers.append("psycopg[binary]>=3.1.8")
    if schemes["DATABASE_URL"].startswith(("mysql", "mariadb")):
        drivers.append("mysqlclient>=2.2")
    if any(schemes[name].startswith(("redis", "valkey")) for name in ("CACHE_URL", "REDIS_URL")):
        drivers.append("redis>=4")
    if schemes["CACHE_URL"].startswith(("memcache", "pymemcache")):
        drivers.append("pymemcache>=4")
    return tuple(drivers)


def _probe(work: Work, files: Files, environment: Environment, source: Source) -> Project:
    from nuages.project import inspect_project

    interface = guess_interface(work.topology, files)

    def policy_for(project_dir: Path) -> dict[str, Any]:
        return policy_of(work.topology, work.live, files, project_dir, phase="probe", interface=interface)

    work.progress("asking the project itself")
    with tempfile.TemporaryDirectory(prefix="nuages-probe-") as scratch:
        return inspect_project(
            files=files,
            environment=environment,
            topology=work.topology,
            here=work.here,
            config_env=dict(work.config.env),
            scratch=Path(scratch),
            runtime=RUNTIME,
            policy_for=policy_for,
            progress=work.progress,
            sources=source.files,
            config_files=dict(work.config.files),
        )


def policy_of(
    topology: Topology,
    live: Live,
    files: Files,
    project_dir: Path,
    *,
    phase: str,
    interface: str,
    generated: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The policy for one copy of the source."""
    layout = live.layout
    policy = make_policy(
        topology,
        files,
        project_dir=project_dir,
        static_root=(layout.build("<build>") if phase == "probe" else project_dir.parent) / "static",
        static_serve=layout.shared("static"),
        media_root=layout.shared("media"),
        data_dir=layout.shared("data"),
        phase=phase,
        port=port_of(topology, live),
        interface=interface,
        workers=topology.scale.get("web", USUAL_WORKERS),
        generated_names=generated,
    )
    more = {
        "domains": names_of_site(topology),
        "trusted_proxies": trusted_proxies(topology),
        "maintenance_file": str(layout.maintenance),
        "selectors": dict(files.selectors),
        "build_commands": list(topology.build),
        "smoke": smoke_of(topology),
        **_page_of(topology, layout),
        **services_of(topology),
        **sizes_of(topology),
    }
    return {**policy, **more}


def _page_of(topology: Topology, layout: Layout) -> dict[str, Any]:
    """Where the site's processes answer with the page, and the file that they read for it."""
    if not (topology.remote and topology.dashboard.path):
        return {}
    from nuages.components.monitor.page import facts_of

    return {"dashboard": {"path": topology.dashboard.path, "file": str(facts_of(layout))}}


def smoke_of(topology: Topology) -> list[dict[str, str]]:
    """What a release is asked besides its health, before it gets any traffic."""
    return [asdict(question) for question in topology.pipeline.smoke]


def services_of(topology: Topology) -> dict[str, Any]:
    """On servers, what the site is served by: a change of it is a new release."""
    services = topology.services
    named = {"database": services.database, "cache": services.cache, "server": topology.server}
    return {"services": named} if topology.remote else {}


def names_of_site(topology: Topology) -> list[str]:
    """Its domains; on servers without one, the names that their proxies answer to."""
    bare = [name for host in topology.hosts for name in names_of(topology, host)]
    return list(dict.fromkeys(topology.domains or bare))


def trusted_proxies(topology: Topology) -> list[str]:
    """On a server requests come from our proxy by a unix socket."""
    return [*topology.trusted_proxies, *(["unix"] if topology.remote else [])]


def sizes_of(topology: Topology) -> dict[str, Any]:
    """What the topology says of sizes: a change of it is a new release."""
    return {"scale": dict(topology.scale), "declared_threads": topology.threads}


def port_of(topology: Topology, live: Live) -> int:
    """The declared port, or the one this site has had, or the first free one from 8000 on; on a server that of the proxy."""
    if topology.port:
        return topology.port
    if topology.remote:
        return 443 if topology.tls.enabled else 80
    return int((live.site or {}).get("port") or 0) or live.free_port


# --- memory --------------------------------------------------------------------------------------------------


def _key(work: Work, source: Source) -> str:
    config = work.config
    parts = (
        __version__,
        runtime_digest(),
        str(replace(work.topology, scale={}, keep=1, port=0, tree=None, pipeline=Pipeline(), hooks=Hooks(), notify=Notify())),
        source.digest,
        sorted(config.env.items()),
        sorted(config.files.items()),
    )
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:24]


def _remember(path: Path) -> Project | None:
    try:
        project = from_json(json.loads(path.read_text()))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return project if Path(project.environment.executable).exists() else None


def _keep(path: Path, project: Project) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}.partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(as_json(project), file)
    partial.replace(path)
    forget(path.parent, keep=8)


def forget(folder: Path, keep: int) -> None:
    """Remove all but the newest entries of a folder of remembered things."""
    for old in sorted(folder.iterdir(), key=lambda p: p.stat().st_mtime)[:-keep]:
        if old.is_dir():
            shutil.rmtree(old, ignore_errors=True)
        else:
            old.unlink(missing_ok=True)
