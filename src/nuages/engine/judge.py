"""What the pending migrations mean for this deploy, asked of the databases as they are now. Reads only.

The new release's code names and rehearses them on a copy; the live release's code is compared with every schema on
the way. What needs the real configuration runs in a scratch release directory, before anything of the site is written.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nuages.components.appserver.sizing import NETWORK
from nuages.engine.model import Desired, Live
from nuages.errors import MigrationError, ReleaseError
from nuages.hosts.transport import Progress, Transport
from nuages.migrations.explain import explain
from nuages.migrations.model import Judgement, Rehearsal
from nuages.migrations.rehearsal import Code, ask_pending, compare_old, dump_schema, read_comparison, read_rehearsal, rehearse_new
from nuages.migrations.snapshot import tell
from nuages.release.build import load_build


# Variables that say which database it is: a change in one of them makes other migrations pending.
DATABASE_WORDS = ("DATABASE", "POSTGRES", "MYSQL", "DB_", "SQL_", "PGHOST")


def judge_migrations(
    desired: Desired, live: Live, here: Transport, progress: Progress, *, force: bool = False
) -> tuple[Judgement, ...]:
    """One judgement for each database; none when nothing can be pending. Raises MigrationError where one says stop."""
    if not desired.new:
        return ()
    load_build(live.layout, desired.placement.build.id)  # raises where another deploy has removed it meanwhile
    with tempfile.TemporaryDirectory(prefix="nuages-migrations-") as folder:
        if desired.release.get("rollback_to"):
            if not force:
                _check_fits(desired, here, Path(folder), progress)
            return ()
        if not live.release:
            return _first(desired, here, Path(folder), progress)
        if desired.release["build"] == live.release["build"] and not _database_changed(desired, live, here):
            return ()
        return _beside(desired, live, here, Path(folder), progress)


def _first(desired: Desired, here: Transport, folder: Path, progress: Progress) -> tuple[Judgement, ...]:
    """Nothing is live beside it: everything runs. A database elsewhere is asked whether it is there."""
    databases = desired.placement.manifest["facts"].get("databases") or {}
    engines = " ".join(str(d.get("engine", "")) for d in databases.values())
    aliases = ["default"]
    if len(databases) > 1 or any(name in engines for name in NETWORK) or "DATABASE_URL" in desired.environ:
        progress("asking the database")
        report = _report(desired, here, folder, details=False)
        aliases = [j.alias for j in _judge_all(report, desired)]
    return tuple(Judgement(pending=(), alias=alias, everything=True) for alias in aliases)


def _beside(desired: Desired, live: Live, here: Transport, folder: Path, progress: Progress) -> tuple[Judgement, ...]:
    progress("asking for pending migrations")
    report = _report(desired, here, folder)
    judged = []
    for judgement in _judge_all(report, desired):
        found = judgement
        if judgement.pending and not judgement.conflicts:
            many = len(judgement.pending)
            progress(f"trying {many} migration{'' if many == 1 else 's'} on a copy of the database")
            rehearsal = _rehearse(desired, live, here, folder, judgement.alias)
            found = _with_cost(_judge(report, desired, judgement.alias, rehearsal), report)
        _stop(found)
        judged.append(found)
    return tuple(j for j in judged if j.pending)


def _judge_all(report: Mapping[str, Any], desired: Desired) -> list[Judgement]:
    return [_judge(report, desired, alias, None) for alias in report["databases"]]


def _judge(report: Mapping[str, Any], desired: Desired, alias: str, rehearsal: Rehearsal | None) -> Judgement:
    from nuages.migrations.judge import judge

    rules = desired.placement.topology.migrations
    return judge(report, live=True, policy=rules.policy, rehearsal=rehearsal, alias=alias, snapshot=rules.snapshot)


def _with_cost(judgement: Judgement, report: Mapping[str, Any]) -> Judgement:
    """Size and time of a snapshot, told before it is taken."""
    facts = report["databases"][judgement.alias]
    name = facts["where"]["name"]
    if judgement.snapshot and facts["vendor"] == "sqlite" and os.path.exists(name):
        return judgement.costing(tell(os.path.getsize(name)))
    return judgement


def _stop(judgement: Judgement) -> None:
    if judgement.conflicts or judgement.stops or judgement.failed:
        what = "migrations conflict" if judgement.conflicts else "a migration can't run beside the live release"
        what = "a migration fails on a copy of the database" if judgement.failed else what
        raise MigrationError(f"{what}; nothing was changed", detail=explain(judgement))


def _check_fits(desired: Desired, here: Transport, folder: Path, progress: Progress) -> None:
    """An older build brought back: its code must fit the database as it is; none of its migrations is pending."""
    progress("comparing the old code with the database as it is")
    code = _code(desired, folder)
    here.check(dump_schema(code, str(folder / "schema.json")))
    here.check(compare_old(code, str(folder / "schema.json"), str(folder / "breaks.json")))
    breaks = read_comparison(json.loads((folder / "breaks.json").read_text()))
    if breaks:
        hint = "mend it forwards with a new deploy, or restore the snapshot taken before those migrations (docs: migrations); --force goes back all the same"
        detail = "\n".join(f"{b.model}: {b.what}" for b in breaks[:4])
        raise ReleaseError("the old code does not fit the database any more; nothing was changed", detail=detail, hint=hint)


def _database_changed(desired: Desired, live: Live, here: Transport) -> bool:
    path = str(live.layout.numbered(live.number) / "env.json")
    before = here.read({"env": {"kind": "json", "path": path}})["env"] or {}
    changed = {name for name, _value in set(before.items()) ^ set(desired.environ.items())}
    return any(word in name.upper() for word in DATABASE_WORDS for name in changed)


def _report(desired: Desired, here: Transport, folder: Path, *, details: bool = True) -> dict[str, Any]:
    out = folder / "pending.json"
    result = here.run(ask_pending(_code(desired, folder), str(out), missing=False, details=details))
    if not out.exists():
        raise MigrationError("the migrations can't be read", detail=result.tail(5))
    answer: dict[str, Any] = json.loads(out.read_text())
    return answer


def _rehearse(desired: Desired, live: Live, here: Transport, folder: Path, alias: str) -> Rehearsal:
    scratch = folder / f"copy-{alias}"
    scratch.mkdir()
    out, old = scratch / "new.json", scratch / "old.json"
    result = here.run(rehearse_new(_code(desired, folder), str(scratch), str(out), alias))
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
    return Code(placement.python, {**placement.env, "NUAGES_RELEASE": str(release)}, str(placement.policy["manage_dir"]))


def _live_code(live: Live, here: Transport) -> Code:
    """The live release, as it runs."""
    release = live.layout.numbered(live.number)
    build = load_build(live.layout, (live.release or {})["build"])
    environ = here.read({"env": {"kind": "json", "path": str(release / "env.json")}})["env"] or {}
    env = {**environ, **build.environ, "NUAGES_RELEASE": str(release)}
    return Code(f"{build.manifest['environment']}/bin/python", env, str(build.manage_dir))
