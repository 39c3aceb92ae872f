"""Components describe themselves on the host: topology + release + configuration -> what should be. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from nuages.components.certificates.own import Given
from nuages.components.contract import Placement
from nuages.components.registry import app_server, supervisor
from nuages.components.supervisor import version_of
from nuages.engine.model import UNSIGNED, Desired, Live, Seat, Signature
from nuages.engine.services import descriptions_of, exports_of
from nuages.release.build import Build
from nuages.settings.configuration import Configuration, process_environment
from nuages.topology.model import Topology


NOTHING = Given()


def compose(
    topology: Topology,
    live: Live,
    build: Build,
    config: Configuration,
    policy: Mapping[str, Any],
    *,
    token: str,
    signature: Signature = UNSIGNED,
    number: int = 0,
    given: Given = NOTHING,
) -> Desired:
    """What this host should be. The number is the live one while nothing that makes a release differs.

    `number`, on a host that does not lead: the leader's. `given`: certificates that the user brings.
    """
    identity = (build.id, config.version, policy_digest(policy))
    same = bool(live.release) and _identity(live.release or {}) == identity and number in (0, live.number)
    number = number or (live.number if same else live.number + 1)
    environ = {**exports_of(topology, live.machine, build.manifest), **_environ(policy, config)}
    bare = _place(topology, live, build, config, {**policy, "number": number, "build": build.id}, environ, number)
    web = app_server("own" if any(p.get("own_server") for p in build.manifest["processes"]) else topology.server).process(bare)
    tuned = {"workers": web.workers, "threads": int(str(web.env["NUAGES_THREADS"]))}
    placement = replace(bare, policy={**bare.policy, **tuned})
    keeper = supervisor(topology.supervisor)
    generation = f"v{number}-{token}"
    return Desired(
        placement=placement,
        config=config,
        supervisor=keeper,
        programs=version_of(keeper.programs) if keeper.programs else "",
        release=_release(number, build, identity, signature),
        environ=environ,
        generation=generation,
        spec=keeper.spec(placement, generation, (web, *keeper.processes(placement))),
        listen=str(live.layout.socket) if topology.remote else f"{topology.bind}:{policy['port']}",
        new=not same,
        why=signature.why or ("" if same else _what_changed(live.release, build, config)),
        descriptions=descriptions_of(placement, live.web, given, live.access) if topology.remote else (),
    )


def compose_all(
    topology: Topology,
    sites: Sequence[Seat],
    builds: Sequence[Build],
    config: Configuration,
    policy: Mapping[str, Any],
    token: str,
    signature: Signature,
    given: Given = NOTHING,
) -> tuple[Desired, ...]:
    """For each host. The first leads: its number is everybody's."""
    found: list[Desired] = []
    for seat, build in zip(sites, builds, strict=True):
        number = found[0].number if found else 0
        desired = compose(
            topology, seat.live, build, config, policy, token=token, signature=signature, number=number, given=given
        )
        found.append(replace(desired, lead=not found))
    return tuple(found)


def _environ(policy: Mapping[str, Any], config: Configuration) -> dict[str, str]:
    """env.json: what the user set, over what we generate and what the project needs to choose its production settings."""
    generated = tuple(policy.get("generated_names", {}).get("SECRET_KEY", ()))
    return {**policy.get("selectors", {}), **process_environment(config, generated)}


def _place(
    topology: Topology,
    live: Live,
    build: Build,
    config: Configuration,
    policy: Mapping[str, Any],
    environ: Mapping[str, str],
    number: int,
) -> Placement:
    return Placement(
        topology=topology,
        layout=live.layout,
        build=build,
        machine=live.machine,
        policy=policy,
        env={**environ, **build.environ, "NUAGES_RELEASE": str(live.layout.numbered(number))},
        scale=config.scale,
        number=number,
        host=next((host for host in topology.hosts if host.name == live.host.name), live.host),
        account=topology.account,
    )


def policy_digest(policy: Mapping[str, Any]) -> str:
    """Of what the policy says, whatever release it is for."""
    rest = {
        k: v
        for k, v in policy.items()
        if k not in ("number", "build", "phase", "workers", "threads", "project", "manage_dir", "static_root", "smoke")
    }
    return hashlib.sha256(json.dumps(rest, sort_keys=True, default=str).encode()).hexdigest()[:12]


def _identity(release: Mapping[str, Any]) -> tuple[str, int, str]:
    return release["build"], release["config"], release["policy"]


def _release(number: int, build: Build, identity: tuple[str, int, str], signature: Signature) -> dict[str, Any]:
    manifest = build.manifest
    return {
        "number": number,
        **dict(zip(("build", "config", "policy"), identity, strict=True)),
        "commit": manifest.get("commit", ""),
        "dirty": manifest.get("dirty", False),
        "django": manifest.get("django", ""),
        "python": manifest.get("python", ""),
        "venv": manifest.get("venv", ""),
        "environment": manifest.get("environment", ""),
        "at": signature.at,
        "by": signature.by,
        **({"rollback_to": signature.back_to} if signature.back_to else {}),
    }


def _what_changed(release: Mapping[str, Any] | None, build: Build, config: Configuration) -> str:
    if not release:
        return "first deploy"
    if release["build"] != build.id:
        return "code changed" if release.get("venv") == build.manifest.get("venv") else "code and packages changed"
    if release["config"] == config.version:
        return "topology changed"
    return config.why if config.version == release["config"] + 1 and config.why else "configuration changed"
