"""What the pending migrations mean for this deploy: which run before the switch, after it, in a window, or not at all.

The unit is the migration file. A file that the live release can't live with waits until after the switch when the
new release can do without it; where neither can, it needs a window. Whatever depends on a waiting file waits too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from nuages.errors import MigrationError
from nuages.migrations.classify import classify
from nuages.migrations.model import RANK, Break, Judgement, Operation, Pending, Rehearsal
from nuages.migrations.verdicts import Database


def judge(
    report: Mapping[str, Any],
    *,
    live: bool,
    policy: str = "safe",
    rehearsal: Rehearsal | None = None,
    alias: str = "default",
    snapshot: str = "when-unsafe",
) -> Judgement:
    """`report` is what runtime/pending.py wrote. Raises MigrationError when the database does not answer."""
    facts = report["databases"][alias]
    if error := facts.get("error"):
        raise refused(error)
    missing = tuple(m["app"] for m in report.get("missing", ()) if m.get("app") and not m.get("third_party"))
    conflicts = tuple(f"{app}: {', '.join(names)}" for app, names in facts.get("conflicts", {}).items())
    first = not live or bool(facts.get("empty"))
    found = tuple(read_migration(entry, database_of(facts), first=first) for entry in facts.get("pending", ()))
    failed = rehearsal.failed if rehearsal else ""
    if not first:
        found = give_phases(found, rehearsal, policy)
    if failed:
        found = stop_at_failure(found, failed)
    judgement = Judgement(
        pending=found,
        conflicts=conflicts,
        missing=missing,
        breaks_old=rehearsal.breaks_old if rehearsal else (),
        rehearsed=rehearsal.how if rehearsal else "",
        snapshot=not first
        and bool(found)
        and (snapshot == "always" or (snapshot == "when-unsafe" and any(p.verdict not in ("safe", "bridge") for p in found))),
        alias=alias,
        failed=failed,
    )
    return replace(judgement, rollback=rollback_verdict(judgement, live=live and not first))


def refused(error: Mapping[str, Any]) -> MigrationError:
    place = error.get("host") or error.get("name") or error.get("engine", "")
    place = f"{place}:{error['port']}" if error.get("port") else place
    what = {
        "database_refused": "the database does not answer",
        "database_misconfigured": "the database settings are incomplete",
    }.get(error.get("kind", ""), "the migrations can't be read")
    hint = "nuages config set DATABASE_URL=... tells where it is" if what.startswith("the database") else ""
    return MigrationError(what, where=place, detail=str(error.get("message", "")), hint=hint)


def database_of(facts: Mapping[str, Any]) -> Database:
    return Database(facts["vendor"], facts.get("sizes", {}), bridges=facts["vendor"] in ("sqlite", "postgresql", "mysql"))


def read_migration(entry: Mapping[str, Any], database: Database, *, first: bool) -> Pending:
    if first:
        operations = tuple(
            Operation(str(o.get("describe", "")), "safe", "nothing is live beside it") for o in entry["operations"]
        )
    else:
        operations = tuple(classify(o, database) for o in entry["operations"])
    reason = max(operations, key=lambda o: RANK[o.verdict], default=Operation("", "safe", "no operations"))
    return Pending(
        app=entry["app"],
        name=entry["name"],
        operations=operations,
        verdict=reason.verdict,
        phase="before",
        atomic=bool(entry.get("atomic", True)),
        why=reason.why,
        hint=reason.hint,
        needs=tuple(entry.get("needs", ())),
        relax=tuple(o.relax for o in operations if o.relax),
    )


# --- phases -----------------------------------------------------------------------------------------------------

GUESSES = ("break", "manual", "destroy")
BY_HAND = 'migrations.policy is "manual": run them against this database yourself, then deploy again'


def give_phases(found: tuple[Pending, ...], rehearsal: Rehearsal | None, policy: str) -> tuple[Pending, ...]:
    """Policies: safe stops where a window is needed, maintenance opens one, manual leaves all to the user, any runs
    everything before the switch."""
    if policy == "any":
        return found
    proved = tuple(with_proof(p, rehearsal) for p in found)
    waiting = waits(proved)
    needed = needed_while_waiting(proved, waiting, rehearsal)
    phased = []
    for pending in proved:
        phase = "before"
        if pending.label in needed:
            phase = "window" if policy == "maintenance" else "stop"
        elif pending.label in waiting:
            phase = "after"
        explained = explain_phase(pending, phase, waiting, needed)
        phased.append(replace(explained, phase="stop", hint=BY_HAND) if policy == "manual" else explained)
    return tuple(phased)


def with_proof(pending: Pending, rehearsal: Rehearsal | None) -> Pending:
    """Proof beats guess, both ways: what broke the live release's code on a copy does break it; an uncertain
    verdict that broke nothing there falls, and so does a lock that was over in no time."""
    if rehearsal is None or not rehearsal.proved:
        return pending
    if breaks := rehearsal.introduces.get(pending.label, ()):
        verdict = pending.verdict if pending.verdict in ("break", "destroy") else "break"
        return replace(pending, verdict=verdict, why=f"tried on a copy, the live release breaks: {tell(breaks)}")
    if pending.verdict in GUESSES and all(not o.certain for o in pending.operations if o.verdict in GUESSES):
        return with_time(
            replace(
                pending,
                verdict="data",
                why=f"{pending.why}; tried on a copy: the live release's code still fits",
            ),
            rehearsal,
        )
    return with_time(pending, rehearsal)


# SQLite's writers give up after five seconds unless the project says otherwise.
PATIENCE = 3.0


def with_time(pending: Pending, rehearsal: Rehearsal) -> Pending:
    seconds = rehearsal.seconds.get(pending.label)
    if not rehearsal.whole or seconds is None or pending.verdict in GUESSES:
        return pending
    if seconds > PATIENCE:
        why = f"it took {seconds:.0f} s on a copy, and writes wait that long"
        return replace(pending, verdict="lock", why=why, hint="deploy in a maintenance window, or do it in smaller steps")
    if pending.verdict == "lock":
        return replace(pending, verdict="safe", why=f"a lock of {seconds:.1f} s, as tried on a copy", hint="")
    return pending


def waits(found: tuple[Pending, ...]) -> set[str]:
    """Files that can't run before the switch, with everything that depends on them."""
    waiting: set[str] = set()
    for pending in found:
        if pending.verdict in ("break", "destroy", "lock", "manual") or waiting.intersection(pending.needs):
            waiting.add(pending.label)
    return waiting


def needed_while_waiting(found: tuple[Pending, ...], waiting: set[str], rehearsal: Rehearsal | None) -> set[str]:
    """Waiting files without which the new release can't run, with everything waiting that they depend on."""
    needed: set[str] = set()
    for pending in reversed(found):
        if pending.label in waiting and (pending.label in needed or is_needed(pending, rehearsal)):
            needed.add(pending.label)
            needed.update(waiting.intersection(pending.needs))
    return needed


def is_needed(pending: Pending, rehearsal: Rehearsal | None) -> bool:
    if pending.verdict in ("lock", "manual"):
        return True  # a lock is no better after the switch, and what can't be read can't be said to wait
    if rehearsal is not None and rehearsal.proved:
        relaxed = {o.relax_column for o in pending.operations if o.relax}
        misses = rehearsal.needed.get(pending.label, ())
        return any(b.column not in relaxed or b.what_kind != "unknown not null" for b in misses)
    return any(o.needed for o in pending.operations)


def explain_phase(pending: Pending, phase: str, waiting: set[str], needed: set[str]) -> Pending:
    why, hint = pending.why, pending.hint
    behind = sorted(waiting.intersection(pending.needs))
    if phase == "after" and pending.verdict not in ("break", "destroy") and behind:
        why = f"waits for {', '.join(behind)}"
    elif phase in ("stop", "window") and pending.label in needed and pending.verdict in ("safe", "bridge", "data"):
        why = f"the new release needs it, and it depends on {', '.join(behind)}"
        hint = "move it into a migration that does not depend on those"
    if phase in ("stop", "window") and mixed(pending):
        hint = f"split it: what the new release needs in one migration, the rest in another. {hint}".strip()
    return replace(pending, phase=phase, why=why, hint=hint, relax=pending.relax if phase == "after" else ())


def mixed(pending: Pending) -> bool:
    """Some operations must run before the switch and others must not."""
    unsafe = [o for o in pending.operations if o.verdict in ("break", "destroy")]
    early = [o for o in pending.operations if o.needed and o.verdict in ("safe", "bridge", "data")]
    return bool(unsafe and early)


def stop_at_failure(found: tuple[Pending, ...], failed: str) -> tuple[Pending, ...]:
    label, _, words = failed.partition(": ")
    known = {p.label for p in found}
    if label not in known:
        return tuple(replace(p, phase="stop") for p in found)
    return tuple(
        replace(
            p,
            phase="stop",
            why=f"tried on a copy, it fails: {words}",
            hint="nothing was changed in the live database",
        )
        if p.label == label
        else p
        for p in found
    )


def tell(breaks: tuple[Break, ...], limit: int = 3) -> str:
    shown = "; ".join(f"{b.model}: {b.what}" for b in breaks[:limit])
    return shown if len(breaks) <= limit else f"{shown}; and {len(breaks) - limit} more"


# --- going back -------------------------------------------------------------------------------------------------


def rollback_verdict(judgement: Judgement, *, live: bool = True) -> str:
    """What a rollback from the new release to the live one may do, in one honest sentence."""
    if not live:
        return "This is the first release: there is nothing to go back to."
    if not judgement.pending:
        return "A rollback takes back code and configuration; the database is the same for both."
    return limits_of_rollback(judgement) or what_stays(judgement)


def limits_of_rollback(judgement: Judgement) -> str:
    if judgement.window:
        return "A rollback needs the snapshot: what runs in the window leaves a schema that the live release can't use."
    late = [p.label for p in judgement.after if p.verdict in ("destroy", "break") or loses(p)]
    if late:
        return (
            f"Until {', '.join(late)} has run, a rollback takes back the code alone; after that the old code needs the"
            " snapshot, and loses what was written since."
        )
    if any(p.verdict in ("destroy", "break") for p in judgement.before):
        return "A rollback needs the snapshot: the live release's code does not fit the schema that these migrations leave."
    if any(loses(p) for p in judgement.pending):
        return "A rollback takes back the code; the rows that these migrations delete come back only from the snapshot."
    return ""


def loses(pending: Pending) -> bool:
    return any(not o.takes_back for o in pending.operations)


def what_stays(judgement: Judgement) -> str:
    if any(p.verdict == "data" for p in judgement.before):
        return "A rollback takes back the code; the schema stays, and so do the rows as the migrations changed them."
    tried = bool(judgement.rehearsed) and not judgement.rehearsed.startswith("not rehearsed")
    proved = "was tried with this schema" if tried else "should run on this schema, which was not tried"
    return f"A rollback takes back the code; the migrations stay, and the live release {proved}."
