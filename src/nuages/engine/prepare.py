"""Stages 3 to 5 in one go: inspect the project, judge its settings, build the release. Fills the store, changes nothing live.

Everything is remembered by its input: a second look at the same files with the same configuration costs a digest.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from nuages.components.registry import app_server
from nuages.engine.model import Live
from nuages.engine.request import Console, Request
from nuages.environments import build_environment, find_requirements, make_lock, python_hints
from nuages.environments.model import Environment
from nuages.errors import CheckError, ReleaseError
from nuages.hosts.transport import Progress, Transport
from nuages.project.inspection import inspect_project
from nuages.project.model import Files, Project
from nuages.project.reading import read_files
from nuages.project.stored import as_json, from_json
from nuages.release.build import RUNTIME, Build, build_id, build_release, load_build, runtime_digest
from nuages.release.source import Source, read_source
from nuages.settings.configuration import Configuration, process_environment
from nuages.settings.model import Finding
from nuages.settings.overlay import make_policy, secret_key_names
from nuages.topology.model import Topology


@dataclass(frozen=True)
class Inspected:
    """Stage 3's answer, with what it was made from."""

    project: Project
    source: Source
    key: str  # of everything that went into it
    fresh: bool  # was it looked at just now?


@dataclass(frozen=True)
class Prepared:
    """A build in the store and the policy to serve it under."""

    build: Build
    policy: Mapping[str, Any]
    findings: tuple[Finding, ...] = ()


def prepare(request: Request, topology: Topology, live: Live, config: Configuration, here: Transport, console: Console) -> Prepared:
    """From the project's files, or from a release that is there already. Raises CheckError where the audit says stop."""
    if request.source != "project":
        return _from_release(request, topology, live)
    inspected = inspect_here(topology, live, config, here, console.progress)
    findings: tuple[Finding, ...] = ()
    if request.check and inspected.fresh:
        findings = audit(inspected, topology, live, here)
        console.findings(findings)
        stop_on_errors(findings)
    build, policy = build_here(topology, live, inspected, config, here, console.progress)
    return Prepared(build, policy, findings)


def audit(inspected: Inspected, topology: Topology, live: Live, here: Transport) -> tuple[Finding, ...]:
    from nuages.settings.checks import run_checks

    return run_checks(inspected.project, topology, root=topology.root, here=here, live=live.release, today=datetime.now(tz=UTC).date())


def stop_on_errors(findings: tuple[Finding, ...]) -> None:
    errors = [f for f in findings if f.severity == "error" and not f.silenced]
    if errors:
        detail = "\n".join(f"{f.id}  {f.where + ': ' if f.where else ''}{f.what}" + (f"\n    {f.hint}" if f.hint else "") for f in errors)
        count = "1 finding" if len(errors) == 1 else f"{len(errors)} findings"
        raise CheckError(f"{count} would break the site or leak in production", detail=detail, hint="`nuages check` tells more; to decide otherwise, silence the id with a reason in nuages.toml")


def _from_release(request: Request, topology: Topology, live: Live) -> Prepared:
    """The live build, or an older numbered one. Addresses are today's: a rollback never revives old ones."""
    number = request.number or live.number
    release = live.numbered.get(f"v{number}")
    if release is None or number > live.number:
        known = ", ".join(sorted(n for n, r in live.numbered.items() if r["number"] <= live.number))
        what = f"there is no release v{number}" if number else "nothing has been deployed yet"
        raise ReleaseError(what, hint=f"on this host: {known}" if known else "nuages up")
    build = load_build(live.layout, release["build"])
    if not Path(build.manifest["environment"], "bin", "python").exists():
        raise ReleaseError(f"the environment of v{number} is gone", where=build.manifest["environment"], hint="`nuages up` builds it again from the project")
    policy = json.loads((live.layout.numbered(number) / "policy.json").read_text())
    today = {"domains": list(topology.domains), "port": port_of(topology, live), "bind": topology.bind, "trusted_proxies": list(topology.trusted_proxies)}
    return Prepared(build, {**policy, **today})


def inspect_here(topology: Topology, live: Live, config: Configuration, here: Transport, progress: Progress) -> Inspected:
    """Read, lock, build the environment and probe; or remember."""
    layout = live.layout
    source = read_source(topology.root, here, layout.cache / "digests.json")
    key = _inspection_key(topology, source, config)
    kept = layout.cache / "inspections" / f"{key}.json"
    remembered = _remember(kept)
    if remembered:
        return Inspected(remembered, source, key, fresh=False)
    files = read_files(topology.root, topology)
    interface = topology.interface or _guess_interface(files)
    environment = _environment(topology, files, interface, layout.venvs, layout.cache / "locks", config, here, progress)
    project = _probe(topology, live, files, environment, source, config, here, progress)
    if project.interface != interface:
        environment = _environment(topology, files, project.interface, layout.venvs, layout.cache / "locks", config, here, progress)
        project = replace(project, environment=environment)
    kept.parent.mkdir(parents=True, exist_ok=True)
    _write_private(kept, json.dumps(as_json(project)))
    _forget(kept.parent, keep=8)
    return Inspected(project, source, key, fresh=True)


def _guess_interface(files: Files) -> str:
    return "wsgi" if files.wsgi or not files.asgi else "asgi"


def _environment(
    topology: Topology, files: Files, interface: str, store: Path, keep: Path, config: Configuration, here: Transport, progress: Progress
) -> Environment:
    stack = [*app_server(topology.server).requires(interface), *_drivers(config)]
    lock = make_lock(here, topology.root, files.requirements, files.python_hints, topology.python, tuple(stack), keep, progress)
    return build_environment(here, lock, store, progress)


def _drivers(config: Configuration) -> tuple[str, ...]:
    """A database or cache that the configuration names needs its driver, where the project does not bring one."""
    urls = {name: config.env.get(name, "").split(":", 1)[0].lower() for name in ("DATABASE_URL", "CACHE_URL", "REDIS_URL")}
    drivers = []
    if urls["DATABASE_URL"].startswith(("postgres", "postgis", "pgsql")):
        drivers.append("psycopg[binary]>=3.1.8")
    if urls["DATABASE_URL"].startswith("mysql"):
        drivers.append("mysqlclient>=2.2")
    if any(urls[name].startswith(("redis", "valkey")) for name in ("CACHE_URL", "REDIS_URL")):
        drivers.append("redis>=4")
    if urls["CACHE_URL"].startswith(("memcache", "pymemcache")):
        drivers.append("pymemcache>=4")
    return tuple(drivers)


def _probe(
    topology: Topology, live: Live, files: Files, environment: Environment, source: Source, config: Configuration, here: Transport, progress: Progress
) -> Project:
    def policy_for(project_dir: Path) -> dict[str, Any]:
        return policy_of(topology, live, files, project_dir, phase="probe", interface=topology.interface or _guess_interface(files))

    progress("asking the project itself")
    with tempfile.TemporaryDirectory(prefix="nuages-probe-") as scratch:
        return inspect_project(
            files=files,
            environment=environment,
            topology=topology,
            here=here,
            config_env=dict(config.env),
            scratch=Path(scratch),
            runtime=RUNTIME,
            policy_for=policy_for,
            progress=progress,
            sources=source.files,
            config_files=dict(config.files),
        )


def policy_of(topology: Topology, live: Live, files: Files, project_dir: Path, *, phase: str, interface: str, generated: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The policy for one copy of the source."""
    layout = live.layout
    policy = make_policy(
        topology,
        files,
        project_dir=project_dir,
        static_root=project_dir.parent / "static",
        static_serve=layout.shared("static"),
        media_root=layout.shared("media"),
        data_dir=layout.shared("data"),
        phase=phase,
        port=port_of(topology, live),
        interface=interface,
        generated_names=generated,
    )
    return {**policy, "maintenance_file": str(layout.maintenance)}


def port_of(topology: Topology, live: Live) -> int:
    """The declared port, or the one this site has had, or the first free one from 8000 on."""
    if topology.port:
        return topology.port
    if live.site and live.site.get("port"):
        return int(live.site["port"])
    return live.free_port


def build_here(topology: Topology, live: Live, inspected: Inspected, config: Configuration, here: Transport, progress: Progress) -> tuple[Build, dict[str, Any]]:
    """Stage 5: the build and the policy under which it will be served."""
    project, source = inspected.project, inspected.source
    choices = {"settings": project.probe.settings_module, "wsgi": project.files.wsgi, "asgi": project.files.asgi, "interface": project.interface,
               "build": topology.build, "writable": project.files.writable, "files": sorted(config.files), "overrides": topology.overrides,
               "processes": [(p.name, p.command) for p in project.processes]}  # fmt: skip
    id_ = build_id(source, project.environment.key, choices)
    place = live.layout.build(id_)
    policy = policy_of(topology, live, project.files, place / "source", phase="serve", interface=project.interface, generated=generated_names(project))
    environ = placeholder_environment(project, config)
    build = build_release(project, source, live.layout, id_, policy, environ, here, progress, tuple(config.files))
    return build, policy


def generated_names(project: Project) -> dict[str, list[str]]:
    found = project.probe.facts.get("generated_names") or {}
    return {k: list(v) for k, v in found.items()} or {"SECRET_KEY": list(secret_key_names(project.probe))}


def placeholder_environment(project: Project, config: Configuration) -> dict[str, str]:
    """For builds: names as in production, values that are not. What is no secret (a flag, a path, a host) stays as it is."""
    names = tuple(generated_names(project)["SECRET_KEY"])
    stand_in = Configuration(env=config.env, secret_key="build-only-" + "0" * 50)
    values = process_environment(stand_in, names)
    return {k: placeholder(k, v) for k, v in values.items()}


def placeholder(name: str, value: str) -> str:
    """A value of the same type that gives nothing away: passwords in URLs are replaced, secrets by length."""
    lowered = name.lower()
    if "://" in value and "@" in value:
        scheme, rest = value.split("://", 1)
        return f"{scheme}://placeholder:placeholder@{rest.rsplit('@', 1)[1]}"
    if any(word in lowered for word in ("secret", "password", "passwd", "token", "private", "credential", "api_key", "access_key")) and len(value) > 3:  # noqa: PLR2004
        return value if value.lower() in ("true", "false", "none") or value.isdigit() else "x" * len(value)
    return value


def _inspection_key(topology: Topology, source: Source, config: Configuration) -> str:
    parts = [str(replace(topology, scale={})), source.digest, sorted(config.env.items()), sorted(config.files), runtime_digest(), _own_digest()]
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:24]


def _own_digest() -> str:
    from nuages import __version__

    return __version__


def _remember(path: Path) -> Project | None:
    try:
        project = from_json(json.loads(path.read_text()))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    complete = Path(project.environment.executable).exists()
    return project if complete else None


def _write_private(path: Path, text: str) -> None:
    partial = path.with_suffix(f".{os.getpid()}.partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    partial.replace(path)


def _forget(folder: Path, keep: int) -> None:
    for old in sorted(folder.iterdir(), key=lambda p: p.stat().st_mtime)[:-keep]:
        if old.is_dir():
            shutil.rmtree(old, ignore_errors=True)
        else:
            old.unlink(missing_ok=True)
