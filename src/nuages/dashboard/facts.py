"""What is told of a site: one JSON object, from what the hosts said. Pure; nothing secret is in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nuages.dashboard.changes import Commits, Names, between
from nuages.dashboard.history import deploys
from nuages.engine.model import Live
from nuages.engine.scaling import scaled
from nuages.errors import NuagesError
from nuages.insight.model import DOWN, NEVER, Status
from nuages.topology.model import Topology


SCHEMA = 1
COUNTED = ("certificates", "backup", "traffic", "errors")  # None or empty where nothing is known
HINTS = {"nothing is running": "nuages start brings back what was live"}


@dataclass(frozen=True)
class View:
    """One round. `seen` are the hosts that answered, the leading one first where it did; `lost` those that did not."""

    topology: Topology
    at: float
    status: Status
    seen: Sequence[Live] = ()
    lost: Mapping[str, NuagesError] = field(default_factory=dict)
    journal: str = ""
    audit: Sequence[Mapping[str, Any]] = ()
    lock: Mapping[str, Any] = field(default_factory=dict)
    names: Mapping[int, Names] = field(default_factory=dict)


def assemble(view: View, commits: Commits) -> dict[str, Any]:
    lead = view.seen[0] if view.seen else None
    told = deploys(view.journal, view.audit) if lead else []
    status = view.status.as_dict()
    facts: dict[str, Any] = {
        "schema": SCHEMA,
        "at": view.at,
        **{key: status[key] for key in ("site", "environment", "state", "verdict", "url", "maintenance", *COUNTED)},
        "protected": view.topology.protected,
        "release": release_of(lead) if lead else {},
        "hosts": [
            {**host, "processes": [p for p in status["processes"] if p["host"] == host["name"]]} for host in status["hosts"]
        ],
        "scale": scaled(lead) if lead and lead.release else {},
        "lock": lock_of(view.lock),
        "releases": releases_of(lead, view.names, commits, told) if lead else [],
        "deploys": told,
        "config": config_of(lead) if lead else {},
    }
    return {**facts, "attention": list(attention(facts, view))}


def release_of(live: Live) -> dict[str, Any]:
    if not live.release:
        return {}
    manifest, release = live.manifest or {}, live.release
    kept = {k: release.get(k, "") for k in ("number", "build", "commit", "dirty", "config", "at", "by", "why")}
    return {**kept, "django": manifest.get("django", ""), "python": manifest.get("python", "")}


def lock_of(lock: Mapping[str, Any]) -> dict[str, Any]:
    holder = lock.get("holder") or {}
    if not holder or not (lock.get("holds") or lock.get("writing")):
        return {}
    by = holder.get("owner") or {}
    return {
        "who": by.get("user", ""),
        "machine": by.get("host", ""),
        "what": by.get("what", ""),
        "reason": by.get("reason", ""),
        "since": holder.get("since", 0),
        "deploy": holder.get("token", ""),
    }


def releases_of(
    live: Live, names: Mapping[int, Names], commits: Commits, told: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Newest first, each with what it brought against the one before it."""
    known = sorted((r for r in live.numbered.values() if r["number"] <= live.number), key=lambda r: int(r["number"]))
    by_number = {one["release"]: one for one in told if one["release"]}
    found, before = [], None
    for release in known:
        keys = ("number", "build", "commit", "dirty", "config", "at", "by", "why", "rollback_to")
        one = {key: release.get(key, "") for key in keys}
        one["live"] = release["number"] == live.number
        one["deploy"] = by_number.get(release["number"], {}).get("id", "")
        found.append({**one, "diff": diff_of(before, release, names, commits, by_number.get(release["number"], {}))})
        before = release
    return found[::-1]


def diff_of(
    before: Mapping[str, Any] | None,
    release: Mapping[str, Any],
    names: Mapping[int, Names],
    commits: Commits,
    deploy: Mapping[str, Any],
) -> dict[str, Any]:
    old, new = (str((r or {}).get("commit") or "") for r in (before, release))
    back = bool(release.get("rollback_to"))
    return {
        "from": (before or {}).get("number", 0),
        "range": f"{old[:8]}..{new[:8]}" if old and new and old != new else "",
        "commits": commits.between(new if back else old, old if back else new) if before else commits.between("", new),
        "back": back,  # the commits are those that went
        "same_build": (before or {}).get("build") == release["build"],
        "config": between(names.get((before or {}).get("config", 0)), names.get(release["config"])),
        "migrations": deploy.get("migrations", []),
    }


def config_of(live: Live) -> dict[str, Any]:
    """Names. The values stay where they are."""
    config = live.config or {}
    return {
        "version": config.get("version", 0),
        "names": sorted(config.get("env") or {}),
        "files": sorted(config.get("files") or {}),
    }


def attention(facts: Mapping[str, Any], view: View) -> Iterable[dict[str, str]]:
    """What a person should see first; `level` is bad, warn or note."""
    for name, error in view.lost.items():
        yield problem("bad", f"{name} can't be reached: {error.what}", error.hint)
    lost = tuple(f"{name}:" for name in view.lost)
    level = "bad" if view.status.verdict == DOWN else "warn"
    for each in view.status.problems:
        if not each.startswith(lost or ("\0",)):
            yield problem(level, each, HINTS.get(each, ""))
    if facts["state"] == NEVER:
        yield problem("note", "nothing has been deployed yet", "Deploy brings the project as it lies in its folder")
    if facts["maintenance"]:
        yield problem("warn", "visitors see the maintenance page")
    newest = facts["deploys"][0] if facts["deploys"] else {}
    if newest.get("state") == "failed":
        yield problem(
            "warn", f"the last {newest['what'] or 'deploy'} failed: {_failure(newest)}", "what was live before still serves"
        )
    for note in view.status.notes:
        if "maintenance" not in note:
            yield problem("note", note)


def _failure(deploy: Mapping[str, Any]) -> str:
    errors = [s["error"] for s in deploy["steps"] if s["error"]]
    return errors[0] if errors else str(deploy["outcome"]).removeprefix("failed: ")


def problem(level: str, what: str, hint: str = "") -> dict[str, str]:
    return {"level": level, "what": what, "hint": hint}
