"""What the pending migrations mean for this deploy, asked of the databases as they are now. Reads only.

The new release's code names and rehearses them on a copy; the live release's code is compared with every schema on
the way. What needs the real configuration runs in a scratch release directory on the host, as the account of the site
and before anything of the site is written.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from nuages.components.appserver.sizing import NETWORK
from nuages.components.registry import database
from nuages.engine.model import Desired, Live, Seat
from nuages.engine.pending import has_all, is_ours, made
from nuages.engine.prepare import find_build
from nuages.errors import MigrationError, ReleaseError
from nuages.hosts.transport import Progress, Transport
from nuages.migrations.explain import explain
from nuages.migrations.model import Judgement, Rehearsal
from nuages.migrations.rehearsal import Code, ask_pending, compare_old, dump_schema, read_comparison, read_rehearsal, rehearse_new
from nuages.migrations.snapshot import POSTGRESQL_BYTES_PER_SECOND, tell


Move = Callable[[Desired, Live], tuple[Judgement, ...]]
# Variables that say which database it is: a change in one of them makes other migrations pending.
DATABASE_WORDS = ("DATABASE", "POSTGRES", "MYSQL", "DB_", "SQL_", "PGHOST")


@dataclass(frozen=True)
class Asking:
    """What every question to the database needs: the two releases, the host, and a scratch folder on it."""

    desired: Desired
    live: Live
    here: Transport
    folder: str
    progress: Progress

    def json(self, path: str) -> Any:
        return self.here.read({"answer": {"kind": "json", "path": path}})["answer"]

    def code(self) -> Code:
        """The new release, as it will run, in a directory that nothing refers to."""
        placement = self.desired.placement
        env = {**placement.env, "NUAGES_RELEASE": f"{self.folder}/release"}
        return Code(placement.python, env, str(placement.policy["manage_dir"]), self.account)

    @property
    def account(self) -> str:
        return _account(self.desired, self.live)


def _account(desired: Desired, live: Live) -> str:
    """Whoever the project's code runs as: on a server the site's account, and before it is made nobody."""
    account = desired.placement.account
    return account if live.site or not account else "nobody"


def _refuse_other_database(desired: Desired, live: Live) -> None:
    """Its tables would be made, empty, and the site would go live on them. Raises MigrationError."""
    was, wanted = (
        str((policy.get("services") or {}).get("database") or "") for policy in (live.policy, desired.placement.policy)
    )
    if not live.release or not was or was == wanted or "DATABASE_URL" in desired.config.env:
        return
    raise MigrationError(
        f"the rows of this site are in {'its ' + was if was != 'none' else 'a database elsewhere'}, and this release would "
        f"look for them in {wanted if wanted != 'none' else 'another place'}",
        where="services.database",
        hint="`nuages db convert --to postgresql` moves them; --no-check goes live on what is there, and leaves the old rows where they are",
    )


def judge_migrations(
    desired: Desired, seat: Seat, progress: Progress, *, force: bool = False, move: Move | None = None
) -> tuple[Judgement, ...]:
    """One judgement for each database; none when nothing can be pending. Raises MigrationError where one says stop."""
    live, build = seat.live, desired.placement.build
    if not desired.new:
        return ()
    if move:
        return move(desired, live)
    if not force:
        _refuse_other_database(desired, live)
    if build.id not in live.builds:  # another deploy has removed it meanwhile
        what = f"build {build.id} is not on this host any more"
        raise ReleaseError(what, where=str(build.path), hint="deploy the commit again")
    if not live.release and _is_new(desired):
        return (Judgement(pending=(), alias="default", everything=True),)
    return () if has_all(desired, seat) else _asked(desired, seat, progress, force=force)


def _asked(desired: Desired, seat: Seat, progress: Progress, *, force: bool) -> tuple[Judgement, ...]:
    files, links = _scratch(desired)
    live, here = seat.live, seat.transport
    with here.scratch(files, links, owner=_account(desired, live)) as folder:
        asking = Asking(desired, live, here, folder, progress)
        if desired.release.get("rollback_to"):
            if not force:
                _check_fits(asking)
            return ()
        if not live.release:
            return _first(asking)
        if desired.release["build"] == live.release["build"] and not _database_changed(asking):
            return ()
        return _beside(asking)


def _scratch(desired: Desired) -> tuple[dict[str, str], dict[str, str]]:
    """The new release as a directory, and one for each copy of a database."""
    placement = desired.placement
    databases = placement.manifest["facts"].get("databases") or {"default": {}}
    files = {f"copy-{alias}/.here": "" for alias in databases}
    files["release/policy.json"] = json.dumps({**placement.policy, "phase": "serve"}, default=str)
    return files, {"release/runtime": str(placement.build.path / "runtime")}


def _first(asking: Asking) -> tuple[Judgement, ...]:
    """Nothing is live beside it: everything runs. A database elsewhere is asked whether it is there."""
    asking.progress("asking the database")
    report = _report(asking, details=False)
    aliases = [j.alias for j in _judge_all(report, asking.desired)]
    return tuple(Judgement(pending=(), alias=alias, everything=True) for alias in aliases)


def _is_new(desired: Desired) -> bool:
    """One database, which is a file of the site or one that the plan is about to make: there is nothing to ask yet."""
    databases = desired.placement.manifest["facts"].get("databases") or {}
    engines = " ".join(str(d.get("engine", "")) for d in databases.values())
    url = desired.environ.get("DATABASE_URL")
    elsewhere = url not in made(desired) if url else any(name in engines for name in NETWORK)
    return len(databases) <= 1 and not elsewhere


def _beside(asking: Asking) -> tuple[Judgement, ...]:
    asking.progress("asking for pending migrations")
    report = _report(asking)
    if _comes(asking, report):
        return (Judgement(pending=(), alias="default", everything=True),)
    judged = []
    for judgement in _judge_all(report, asking.desired):
        found = judgement
        if judgement.pending and not judgement.conflicts:
            many = len(judgement.pending)
            asking.progress(f"trying {many} migration{'' if many == 1 else 's'} on a copy of the database")
            with _copying(asking):
                rehearsal = _rehearse(asking, judgement.alias)
            found = _with_cost(_judge(report, asking.desired, judgement.alias, rehearsal), report, asking.here)
        _stop(found)
        judged.append(found)
    return tuple(j for j in judged if j.pending)


def _comes(asking: Asking, report: Mapping[str, Any]) -> bool:
    """The site is to have a database that this plan makes, and nobody answers there yet."""
    refused = any((facts.get("error") or {}).get("kind") == "database_refused" for facts in report["databases"].values())
    return refused and is_ours(asking.desired) and _is_new(asking.desired) and _database_changed(asking)


@contextlib.contextmanager
def _copying(asking: Asking) -> Iterator[None]:
    """In a database of ours the role may make another one for so long, and no longer."""
    topology = asking.desired.placement.topology
    role = database(topology.services.database) if topology.remote and is_ours(asking.desired) else None
    allow, forbid = (role.may_copy(topology, allowed=allowed) if role else None for allowed in (True, False))
    if allow:
        asking.here.run(allow)
    try:
        yield
    finally:
        if forbid:
            asking.here.run(forbid)


def _judge_all(report: Mapping[str, Any], desired: Desired) -> list[Judgement]:
    return [_judge(report, desired, alias, None) for alias in report["databases"]]


def _judge(report: Mapping[str, Any], desired: Desired, alias: str, rehearsal: Rehearsal | None) -> Judgement:
    from nuages.migrations.judge import judge

    rules = desired.placement.topology.migrations
    return judge(report, live=True, policy=rules.policy, rehearsal=rehearsal, alias=alias, snapshot=rules.snapshot)


def _with_cost(judgement: Judgement, report: Mapping[str, Any], here: Transport) -> Judgement:
    """Size and time of a snapshot, told before it is taken."""
    facts = report["databases"][judgement.alias]
    name = facts["where"]["name"]
    if judgement.snapshot and facts["vendor"] == "sqlite":
        said = here.read({"size": {"kind": "command", "argv": ["stat", "-c", "%s", name]}})["size"]["stdout"].strip()
        return judgement.costing(tell(int(said))) if said.isdigit() else judgement
    size = facts.get("size") or facts["where"].get("size")
    return judgement.costing(tell(int(size), POSTGRESQL_BYTES_PER_SECOND)) if judgement.snapshot and size else judgement


def _stop(judgement: Judgement) -> None:
    if judgement.conflicts or judgement.stops or judgement.failed:
        what = "migrations conflict" if judgement.conflicts else "a migration can't run beside the live release"
        what = "a migration fails on a copy of the database" if judgement.failed else what
        raise MigrationError(f"{what}; nothing was changed", detail=explain(judgement))


def _check_fits(asking: Asking) -> None:
    """An older build brought back: its code must fit the database as it is; none of its migrations is pending."""
    asking.progress("comparing the old code with the database as it is")
    code, folder = asking.code(), asking.folder
    asking.here.check(dump_schema(code, f"{folder}/schema.json"))
    asking.here.check(compare_old(code, f"{folder}/schema.json", f"{folder}/breaks.json"))
    breaks = read_comparison(asking.json(f"{folder}/breaks.json"))
    if breaks:
        hint = "mend it forwards with a new deploy, or restore the snapshot taken before those migrations (docs: migrations); --force goes back all the same"
        detail = "\n".join(f"{b.model}: {b.what}" for b in breaks[:4])
        raise ReleaseError("the old code does not fit the database any more; nothing was changed", detail=detail, hint=hint)


def _database_changed(asking: Asking) -> bool:
    before = asking.json(str(asking.live.layout.numbered(asking.live.number) / "env.json")) or {}
    changed = {name for name, _value in set(before.items()) ^ set(asking.desired.environ.items())}
    return any(word in name.upper() for word in DATABASE_WORDS for name in changed)


def _report(asking: Asking, *, details: bool = True) -> dict[str, Any]:
    out = f"{asking.folder}/pending.json"
    result = asking.here.run(ask_pending(asking.code(), out, missing=False, details=details))
    answer: dict[str, Any] | None = asking.json(out)
    if answer is None:
        raise MigrationError("the migrations can't be read", detail=result.tail(5))
    return answer


def _rehearse(asking: Asking, alias: str) -> Rehearsal:
    scratch = f"{asking.folder}/copy-{alias}"
    out, old = f"{scratch}/new.json", f"{scratch}/old.json"
    result = asking.here.run(rehearse_new(asking.code(), scratch, out, alias))
    new = asking.json(out)
    if new is None:
        return Rehearsal(how=f"not rehearsed: {result.tail(1)}")
    if not new.get("steps"):
        return read_rehearsal(new, None)
    asking.here.run(compare_old(_live_code(asking), out, old))
    return read_rehearsal(new, asking.json(old))


def _live_code(asking: Asking) -> Code:
    """The live release, as it runs."""
    live = asking.live
    release = live.layout.numbered(live.number)
    build = find_build(asking.here, live, (live.release or {})["build"])
    environ = asking.json(str(release / "env.json")) or {}
    env = {**environ, **build.environ, "NUAGES_RELEASE": str(release)}
    python = f"{build.manifest['environment']}/bin/python"
    return Code(python, env, str(build.manage_dir), asking.account)
