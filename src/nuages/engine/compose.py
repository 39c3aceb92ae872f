"""Components describe themselves on the host: topology + release + configuration -> what should be. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from nuages.components.contract import Placement
from nuages.components.registry import app_server, supervisor
from nuages.components.supervisor.embedded import keeper_version
from nuages.engine.model import Desired, Live
from nuages.release.build import Build
from nuages.settings.configuration import Configuration, process_environment
from nuages.topology.model import Topology


def compose(
    topology: Topology,
    live: Live,
    build: Build,
    config: Configuration,
    policy: Mapping[str, Any],
    *,
    token: str,
    why: str = "",
    by: str = "",
    at: str = "",
    back_to: int = 0,
) -> Desired:
    """What this host should be. The number is the live one while nothing that makes a release differs."""
    digest = policy_digest(policy)
    same = bool(live.release) and _identity(live.release or {}) == (build.id, config.version, digest)
    number = live.number if same else live.number + 1
    generated = tuple(policy.get("generated_names", {}).get("SECRET_KEY", ()))
    environ = {**policy.get("selectors", {}), **process_environment(config, generated)}
    release_dir = live.layout.numbered(number)
    env = {
        **environ,
        **build.environ,
        "NUAGES_RELEASE": str(release_dir),
        "NUAGES_GENERATION": f"v{number}-{token}",
    }
    placement = Placement(
        topology=topology,
        layout=live.layout,
        build=build,
        machine=live.machine,
        policy={**policy, "number": number, "build": build.id},
        env=env,
        scale=config.scale,
        number=number,
    )
    own = any(p.get("own_server") for p in build.manifest["processes"])
    web = app_server("own" if own else topology.server)
    keeper = supervisor(topology.supervisor)
    generation = f"v{number}-{token}"
    main = web.process(placement)
    tuned = {"workers": main.workers, "threads": int(str(main.env["NUAGES_THREADS"]))}
    placement = replace(placement, policy={**placement.policy, **tuned})
    processes = (main, *keeper.processes(placement))
    proof = str(live.layout.generation(generation) / "proof")
    spec = keeper.spec(
        placement,
        generation,
        tuple(replace(p, env={**p.env, "NUAGES_PROOF": proof}) if p.proof else p for p in processes),
    )
    return Desired(
        placement=placement,
        config=config,
        supervisor=keeper,
        programs=keeper_version(),
        release={
            **_release(number, build, config, digest),
            "at": at,
            "by": by,
            **({"rollback_to": back_to} if back_to else {}),
        },
        environ=environ,
        generation=generation,
        spec=spec,
        listen=f"{topology.bind}:{policy['port']}",
        new=not same,
        why=why or ("" if same else _what_changed(live.release, build, config)),
    )


def policy_digest(policy: Mapping[str, Any]) -> str:
    """Of what the policy says, whatever release it is for."""
    rest = {
        k: v
        for k, v in policy.items()
        if k not in ("number", "build", "phase", "workers", "threads", "project", "manage_dir", "static_root")
    }
    return hashlib.sha256(json.dumps(rest, sort_keys=True, default=str).encode()).hexdigest()[:12]


def _identity(release: Mapping[str, Any]) -> tuple[str, int, str]:
    return release["build"], release["config"], release["policy"]


def _release(number: int, build: Build, config: Configuration, digest: str) -> dict[str, Any]:
    manifest = build.manifest
    return {
        "number": number,
        "build": build.id,
        "config": config.version,
        "policy": digest,
        "commit": manifest.get("commit", ""),
        "dirty": manifest.get("dirty", False),
        "django": manifest.get("django", ""),
        "python": manifest.get("python", ""),
        "venv": manifest.get("venv", ""),
        "environment": manifest.get("environment", ""),
    }


def _what_changed(release: Mapping[str, Any] | None, build: Build, config: Configuration) -> str:
    if not release:
        return "first deploy"
    if release["build"] != build.id:
        return "code changed" if release.get("venv") == build.manifest.get("venv") else "code and packages changed"
    return f"config v{config.version}" if release["config"] != config.version else "topology changed"
