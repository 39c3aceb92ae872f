"""Stages 3 to 5 in one go: inspect the project, judge its settings, build the release. Fills the store, changes nothing live."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from nuages.engine.aim import aim_of
from nuages.engine.inspecting import (
    Inspected,
    Work,
    inspect_here,
    names_of_site,
    policy_of,
    port_of,
    services_of,
    sizes_of,
    smoke_of,
    trusted_proxies,
)
from nuages.engine.model import Live
from nuages.engine.request import Console, Request
from nuages.errors import CheckError, ReleaseError
from nuages.hosts.transport import Transport
from nuages.project.model import Project
from nuages.release.build import Build, Order, build_id, build_release
from nuages.release.static import DISABLE, is_on
from nuages.settings.configuration import Configuration, process_environment
from nuages.settings.model import Finding
from nuages.settings.overlay import tls_of
from nuages.topology.model import Topology


SHORTEST_SECRET = 4
SECRET_WORDS = ("secret", "password", "passwd", "token", "private", "credential", "api_key", "access_key")


@dataclass(frozen=True)
class Prepared:
    """A build in the store and the policy to serve it under. `project` is what it was made from (`key`: its inspection's);
    None when it was there."""

    build: Build
    policy: Mapping[str, Any]
    project: Project | None = None
    key: str = ""


def prepare(request: Request, work: Work, lead: Transport, console: Console) -> Prepared:
    """From the project's files, or from a release that is there already. Raises CheckError where the audit says stop."""
    topology, live, here = work.topology, work.live, work.here
    if request.source == "build":
        return _promoted(request, topology, live, lead)
    if request.source != "project":
        return _from_release(request, topology, live, lead)
    inspected = inspect_here(work)
    for note in notes_of(inspected, topology.packages) if inspected.fresh else ():
        console.note(note)
    known = _is_built(work, inspected)
    if topology.pipeline.tests:
        from nuages.engine.project_tests import pass_tests

        pass_tests(request, work, inspected, console)
    if request.check and topology.pipeline.audit and not known:
        console.progress("checking")
        findings = audit(inspected, topology, live, here, deep=False)
        console.findings(findings)
        _stop_on_errors(findings)
    return _build(work, inspected)


def notes_of(inspected: Inspected, packages: Sequence[str] = ()) -> tuple[str, ...]:
    """What was decided for the project and its developer should hear once. `packages` are those that nuages.toml adds."""
    project = inspected.project
    notes = [*project.environment.lock.notes, *project.notes]
    if project.files.translations and shutil.which("msgfmt") is None:
        notes.append("translations are not compiled, for msgfmt is not on this machine: sudo apt install gettext")
    if packages:
        from nuages.environments.stack import instead_of

        notes += [instead_of(package, project.environment.lock.versions) for package in packages]
    return tuple(filter(None, dict.fromkeys(notes)))


def audit(inspected: Inspected, topology: Topology, live: Live, here: Transport, *, deep: bool) -> tuple[Finding, ...]:
    from nuages.settings.checks import run_checks

    commit = str((live.release or {}).get("commit") or "") or None
    today = datetime.now(tz=UTC).date()
    return run_checks(inspected.project, topology, root=topology.source, here=here, live=commit, today=today, deep=deep)


def _stop_on_errors(findings: tuple[Finding, ...]) -> None:
    errors = [f for f in findings if f.severity == "error" and not f.silenced]
    if not errors:
        return
    lines = []
    for finding in errors:
        lines.append(f"{finding.id}  {finding.where + ': ' if finding.where else ''}{finding.what}")
        lines += [f"    {finding.hint}"] if finding.hint else []
    count = "1 finding" if len(errors) == 1 else f"{len(errors)} findings"
    hint = "`nuages check` tells more; to decide otherwise, silence the id with a reason in nuages.toml"
    raise CheckError(f"{count} would break the site or leak in production", detail="\n".join(lines), hint=hint)


def _from_release(request: Request, topology: Topology, live: Live, lead: Transport) -> Prepared:
    """The live build, or an older numbered one. Addresses are today's: a rollback never revives old ones."""
    number = request.number or live.number
    release = live.numbered.get(f"v{number}")
    if release is None or number > live.number:
        known = ", ".join(sorted(n for n, r in live.numbered.items() if r["number"] <= live.number))
        what = f"there is no release v{number}" if number else "nothing has been deployed yet"
        raise ReleaseError(what, hint=f"on this host: {known}" if known else "nuages up")
    build = find_build(lead, live, release["build"])
    environment = f"{build.manifest['environment']}/bin/python"
    policy_file = str(live.layout.numbered(number) / "policy.json")
    found = lead.read({"environment": {"kind": "files", "paths": [environment]}, "policy": {"kind": "json", "path": policy_file}})
    if not found["environment"][environment]:
        hint = f"`nuages {'deploy' if topology.remote else 'up'}` builds it again from the project"
        raise ReleaseError(f"the environment of v{number} is gone", where=build.manifest["environment"], hint=hint)
    smoke = {} if request.number else {"smoke": smoke_of(topology)}  # an older one may not know of today's questions
    return Prepared(build, {**found["policy"], **_today(topology, live), **smoke})


def _promoted(request: Request, topology: Topology, live: Live, lead: Transport) -> Prepared:
    """A build of another environment, under what this one declares."""
    build = find_build(lead, live, request.build)
    own = {
        "site": topology.name,
        "overrides": dict(topology.overrides),
        "leave": list(topology.leave),
        "log_format": topology.log_format,
        "health": {"path": topology.health.path, "expect": topology.health.expect},
        "drain": topology.drain,
        "smoke": smoke_of(topology),
    }
    return Prepared(build, {**request.policy, **own, **_today(topology, live)})


def _today(topology: Topology, live: Live) -> dict[str, Any]:
    """Addresses and services, whatever release it is."""
    return {
        "domains": names_of_site(topology),
        "port": port_of(topology, live),
        "bind": topology.bind,
        "trusted_proxies": trusted_proxies(topology),
        "tls": tls_of(topology),
        **services_of(topology),
        **sizes_of(topology),
    }


def find_build(host: Transport, live: Live, id_: str) -> Build:
    """A build that lies on a host. Raises ReleaseError where it is gone."""
    if live.manifest and live.manifest.get("build") == id_:
        return Build(id_, live.layout.build(id_), live.manifest)
    path = live.layout.build(id_)
    manifest = host.read({"manifest": {"kind": "json", "path": str(path / "manifest.json")}})["manifest"]
    if not manifest or "unreadable" in manifest:
        raise ReleaseError(f"build {id_} is not on this host any more", where=str(path), hint="deploy the commit again")
    return Build(id_, path, manifest)


# --- build ---------------------------------------------------------------------------------------------------


def _build_id(work: Work, inspected: Inspected) -> str:
    project, topology = inspected.project, work.topology
    environment = project.environment.key
    if topology.remote:
        environment += aim_of(work, project, inspected.key, work.live.machine).key
    choices = {
        "settings": project.probe.settings_module,
        "manage": project.files.manage,
        "wsgi": project.files.wsgi,
        "asgi": project.files.asgi,
        "interface": project.interface,
        "build": topology.build,
        "writable": project.files.writable,
        "files": sorted(work.config.files),
        "overrides": topology.overrides,
        "processes": [(p.name, p.command) for p in project.processes],
    }
    choices |= {"static": "not collected"} if is_on(work.config.env, DISABLE) or not topology.pipeline.static else {}
    return build_id(inspected.source, environment, choices)


def _is_built(work: Work, inspected: Inspected) -> bool:
    return (work.store.build(_build_id(work, inspected)) / "manifest.json").exists()


def _build(work: Work, inspected: Inspected) -> Prepared:
    """Stage 5: the build and the policy under which it will be served."""
    project, live = inspected.project, work.live
    id_ = _build_id(work, inspected)
    place = live.layout.build(id_) / "source"
    generated = _generated_names(project)
    policy = policy_of(
        work.topology,
        live,
        project.files,
        place,
        phase="serve",
        interface=project.interface,
        generated=generated,
    )
    environ = {
        **project.files.selectors,
        **_placeholders(work.config, tuple(generated["SECRET_KEY"])),
        **({} if work.topology.pipeline.static else {DISABLE: "1"}),
    }
    here = project.environment.python.version
    there = aim_of(work, project, inspected.key, live.machine).python if work.topology.remote else here
    bytecode = _series(here) == _series(there)
    order = Order(project, inspected.source, work.store, live.layout, policy, environ, dict(work.config.files), bytecode)
    build = build_release(order, id_, work.here, work.progress)
    now = {"commit": inspected.source.commit, "branch": inspected.source.branch, "dirty": inspected.source.dirty}
    return Prepared(replace(build, manifest={**build.manifest, **now}), policy, project, inspected.key)


def _series(version: str) -> str:
    return version.rpartition(".")[0]


def _generated_names(project: Project) -> dict[str, list[str]]:
    found = project.probe.facts.get("generated_names") or {"SECRET_KEY": []}
    return {k: list(v) for k, v in found.items()}


def _placeholders(config: Configuration, names: tuple[str, ...]) -> dict[str, str]:
    """For builds: names as in production, values that are not. What is no secret (a flag, a path, a host) stays as it is."""
    stand_in = Configuration(env=config.env, secret_key="build-only-" + "0" * 50)
    return {k: placeholder(k, v) for k, v in process_environment(stand_in, names).items()}


def placeholder(name: str, value: str) -> str:
    """A value of the same type that gives nothing away: passwords in URLs are replaced, secrets by length."""
    if "://" in value and "@" in value:
        scheme, rest = value.split("://", 1)
        return f"{scheme}://placeholder:placeholder@{rest.rsplit('@', 1)[1]}"
    looks_secret = any(word in name.lower() for word in SECRET_WORDS) and len(value) >= SHORTEST_SECRET
    if looks_secret and value.lower() not in ("true", "false", "none") and not value.isdigit():
        return "x" * len(value)
    return value
