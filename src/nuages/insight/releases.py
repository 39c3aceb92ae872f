"""One release: what it changed, who made it and why, and what its deploy did."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from nuages.engine.model import Live
from nuages.errors import ReleaseError, UsageError
from nuages.hosts.transport import Transport
from nuages.settings.comparing import Difference, difference
from nuages.settings.configuration import load_configuration


JOURNAL = 4 << 20  # bytes from its end; a deploy takes a few thousand


@dataclass(frozen=True)
class ReleaseInfo:
    """`before` is the number of the release that it followed, 0 where that is gone or there was none. `steps` are of the
    deploy that made it: what, outcome, seconds."""

    number: int
    live: bool
    build: str
    commit: str
    dirty: bool
    config: int
    django: str
    python: str
    at: str
    by: str
    why: str
    before: int = 0
    commit_before: str = ""
    same_build: bool = False
    rollback_to: int = 0
    names: Difference = field(default_factory=Difference)
    migrations: tuple[str, ...] = ()
    steps: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def number_of(live: Live, wish: str | None) -> int:
    """ "v12" or "12", of those on disk; none is the live one. Raises UsageError, ReleaseError."""
    if wish is None:
        return live.number
    if not wish.removeprefix("v").isdecimal():
        raise UsageError(f"{wish!r} is not a release", hint="v3; `nuages releases` lists them")
    number = int(wish.removeprefix("v"))
    known = sorted(r["number"] for r in live.numbered.values())
    if number not in known:
        raise ReleaseError(f"v{number} is not on disk", hint="there are " + ", ".join(f"v{n}" for n in known))
    return number


def release_info(host: Transport, live: Live, number: int) -> ReleaseInfo:
    release = live.numbered[f"v{number}"]
    older = [r for r in live.numbered.values() if r["number"] < number]
    before: Mapping[str, Any] = max(older, key=lambda r: int(r["number"])) if older else {}
    answers = host.read(_questions(live, release, before))
    plain = ("build", "config", "at", "by", "why", "commit", "django", "python", "dirty")
    return ReleaseInfo(
        number=number,
        live=number == live.number,
        **{key: release.get(key, "") for key in plain},
        before=int(before.get("number", 0)),
        commit_before=str(before.get("commit", "")),
        same_build=release["build"] == before.get("build"),
        rollback_to=int(release.get("rollback_to", 0)),
        names=_names(answers) if before or release["config"] == 1 else Difference(),
        migrations=_migrations(answers) if before else (),
        steps=steps_of(answers["journal"] or "", number),
    )


def _questions(live: Live, release: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    layout = live.layout
    asked: dict[str, dict[str, Any]] = {
        "journal": {"kind": "text", "path": str(layout.journal), "limit": -JOURNAL},
        "config": {"kind": "json", "path": str(layout.config(release["config"]))},
        "code": _listing(str(layout.build(release["build"]) / "source")),
    }
    if before:
        asked["config_before"] = {"kind": "json", "path": str(layout.config(before["config"]))}
        asked["code_before"] = _listing(str(layout.build(before["build"]) / "source"))
    return asked


def _listing(source: str) -> dict[str, Any]:
    """Its migrations. -H: the folder may be a link."""
    argv = ["find", "-H", source, "-path", "*/migrations/[0-9]*.py", "-printf", "%P\\n"]
    return {"kind": "command", "argv": argv, "timeout": 20}


def _names(answers: Mapping[str, Any]) -> Difference:
    before = answers.get("config_before")
    old = load_configuration(before) if before else load_configuration({"version": 0})
    return difference(old, load_configuration(answers["config"] or {"version": 0}))


def _migrations(answers: Mapping[str, Any]) -> tuple[str, ...]:
    new, old = (set(answers[key]["stdout"].split()) for key in ("code", "code_before"))
    return tuple(sorted(_short(path) for path in new - old))


def _short(path: str) -> str:
    """catalog/migrations/0002_isbn.py -> catalog.0002_isbn"""
    app, _, name = path.removesuffix(".py").rpartition("/migrations/")
    return f"{app.rpartition('/')[2]}.{name}"


def steps_of(journal: str, number: int) -> tuple[Mapping[str, Any], ...]:
    """Those of the deploy that made a release, in their order."""
    entries = [entry for line in journal.splitlines() if (entry := _entry(line))]
    made = re.compile(rf"  release v{number}: ")
    token = next((e.get("deploy") for e in reversed(entries) if made.search(str(e.get("step", "")))), None)
    return tuple(e for e in entries if token and e.get("deploy") == token and e.get("state") != "begin")


def _entry(line: str) -> Mapping[str, Any] | None:
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) else None
