"""What the pending migrations mean for this deploy, asked of the database as it is now. Reads only.

The new release's code names and rehearses them on a copy; the live release's code is compared with every schema on
the way. What needs the real configuration runs in a scratch release directory, before anything of the site is written.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nuages.engine.model import Desired, Live
from nuages.errors import MigrationError, ReleaseError
from nuages.hosts.transport import Progress, Transport
from nuages.migrations.explain import explain
from nuages.migrations.judge import judge
from nuages.migrations.model import Judgement, Rehearsal
from nuages.migrations.rehearsal import (
    Code,
    ask_pending,
    compare_old,
    dump_schema,
    read_comparison,
    read_rehearsal,
    rehearse_new,
)
from nuages.release.build import load_build


def judge_migrations(
    desired: Desired, live: Live, here: Transport, progress: Progress, *, force: bool = False
) -> Judgement | None:
    """None: nothing is live beside it, or nothing is new. Raises MigrationError where a migration says stop."""
    if not desired.new or not live.release:
        return None
    with tempfile.TemporaryDirectory(prefix="nuages-migrations-") as folder:
        if desired.release.get("rollback_to"):
            if not force:
                _check_fits(desired, here, Path(folder), progress)
            return None
        if desired.release["build"] == live.release["build"] and not _database_changed(desired, live, here):
            return None
        progress("asking for pending migrations")
        report = _report(desired, here, Path(folder))
        judgement = _judge(report, desired, None)
        if judgement.pending and not judgement.conflicts:
            progress(f"trying {len(judgement.pending)} migrations on a copy of the database")
            judgement = _judge(report, desired, _rehearse(desired, live, here, Path(folder)))
    _stop(judgement)
    return judgement


def _judge(report: Mapping[str, Any], desired: Desired, rehearsal: Rehearsal | None) -> Judgement:
    rules = desired.placement.topology.migrations
    return judge(report, live=True, policy=rules.policy, rehearsal=rehearsal, snapshot=rules.snapshot)


def _stop(judgement: Judgement) -> None:
    if judgement.conflicts or judgement.stops or judgement.failed:
        what = "migrations conflict" if judgement.conflicts else "a migration can't run beside the live release"
        what = "a migration fails on a copy of the database" if judgement.failed else what
        raise MigrationError(f"{what}; nothing was changed", detail=explain(judgement))


def _check_fits(desired: Desired, here: Transport, folder: Path, progress: Progress) -> None:
    progress("comparing the old code with the database as it is")
    code = _code(desired, folder)
    here.check(dump_schema(code, str(folder / "schema.json")))
    here.check(compare_old(code, str(folder / "schema.json"), str(folder / "breaks.json")))
    breaks = read_comparison(json.loads((folder / "breaks.json").read_text()))
    if breaks:
        lines = [f"{b.model}: {b.what}" for b in breaks[:4]]
        raise ReleaseError(
            "the old code does not fit the database any more; nothing was changed",
            detail="\n".join(lines),
            hint="mend it forwards with a new deploy, or restore the snapshot that was taken before those migrations; --force goes back all the same",
        )


def _database_changed(desired: Desired, live: Live, here: Transport) -> bool:
    before = here.read({"env": {"kind": "json", "path": str(live.layout.numbered(live.number) / "env.json")}})["env"] or {}
    changed = {name for name, _value in set(before.items()) ^ set(desired.environ.items())}
    return any("DATABASE" in name or "POSTGRES" in name or name.startswith(("DB_", "SQL_")) for name in changed)


def _report(desired: Desired, here: Transport, folder: Path) -> dict[str, Any]:
    out = folder / "pending.json"
    result = here.run(ask_pending(_code(desired, folder), str(out), missing=False))
    if not out.exists():
        raise MigrationError("the migrations can't be read", detail=result.tail(5))
    answer: dict[str, Any] = json.loads(out.read_text())
    return answer


def _rehearse(desired: Desired, live: Live, here: Transport, folder: Path) -> Rehearsal:
    scratch = folder / "copy"
    scratch.mkdir()
    out, old = folder / "rehearsed.json", folder / "old.json"
    result = here.run(rehearse_new(_code(desired, folder), str(scratch), str(out)))
    if not out.exists():
        return Rehearsal(how=f"not rehearsed: {result.tail(1)}")
    new = json.loads(out.read_text())
    if not new.get("steps"):
        return read_rehearsal(new, None)
    here.run(compare_old(_live_code(live, here), str(out), str(old)))
    return read_rehearsal(new, json.loads(old.read_text()) if old.exists() else None)


def _code(desired: Desired, folder: Path) -> Code:
    """The new release, as it will run, in a directory that nothing refers to."""
    placement = desired.placement
    release = folder / "release"
    release.mkdir(exist_ok=True)
    (release / "policy.json").write_text(json.dumps({**placement.policy, "phase": "serve"}, default=str))
    if not (release / "runtime").exists():
        (release / "runtime").symlink_to(placement.build.path / "runtime")
    return Code(
        placement.python,
        {**placement.env, "NUAGES_RELEASE": str(release)},
        str(placement.policy["manage_dir"]),
    )


def _live_code(live: Live, here: Transport) -> Code:
    """The live release, as it runs."""
    release = live.layout.numbered(live.number)
    build = load_build(live.layout, (live.release or {})["build"])
    environ = here.read({"env": {"kind": "json", "path": str(release / "env.json")}})["env"] or {}
    env = {**environ, **build.environ, "NUAGES_RELEASE": str(release)}
    return Code(f"{build.manifest['environment']}/bin/python", env, str(build.manage_dir))
