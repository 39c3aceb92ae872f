"""Steps for the database: snapshot, migrations in their phases, the project's own release commands. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from nuages.engine.model import PAGE, WINDOW, Desired, Live, Op, Step
from nuages.engine.ops import make_directory, perform, remove, step, write
from nuages.hosts.command import Command
from nuages.migrations.model import Judgement
from nuages.migrations.rehearsal import Code, drop_defaults, run_all, run_phase
from nuages.migrations.snapshot import ENDINGS, expired
from nuages.migrations.snapshot import keep as keep_by_root


SHOWN = 4  # names of migrations in one line
WHY = {
    "before": "the live release can run on the new tables",
    "window": "the live release can't run on the new tables",
    "after": "only once the old release is gone",
}
# What a deploy does by itself; anything else on a release line is the project's own business.
OURS = re.compile(
    r"^\s*(python3?\s+)?(\./)?(\S*manage\.py|django-admin|python -m django)\s+(migrate|collectstatic)(\s+-\S+)*\s*$"
)


def code_of(desired: Desired) -> Code:
    placement = desired.placement
    return Code(placement.python, placement.env, str(placement.policy["manage_dir"]), placement.account)


def first_migration(desired: Desired, judgement: Judgement) -> Iterable[Step]:
    if judgement.everything:
        lock_timeout = desired.placement.topology.migrations.lock_timeout
        command = run_all(code_of(desired), lock_timeout=lock_timeout, alias=judgement.alias)
        yield step("~", f"migrate{_of(judgement.alias)}", "nothing is live beside it yet", perform(command))


def snapshot(desired: Desired, live: Live, judgement: Judgement) -> Iterable[Step]:
    if judgement.snapshot:
        told = "; ".join(filter(None, ("a migration can't be taken back", judgement.snapshot_told)))
        path = desired.placement.layout.snapshots / f"{desired.generation}-before-{judgement.alias}"
        yield step(
            "+",
            f"snapshot {path.name} of the database",
            told,
            *_take(desired, judgement.alias, path),
            remove(*(path.parent / name for name in expired(live.snapshots))),
        )


def _take(desired: Desired, alias: str, path: Path) -> Iterable[Op]:
    """On a server the account sends it, and root keeps it where the account can't change it."""
    if not desired.placement.account:
        yield perform(code_of(desired).module("dump", "--database", alias, "--to", str(path), timeout=24 * 3600))
        return
    databases = desired.placement.manifest["facts"].get("databases") or {}
    vendor = "sqlite" if "sqlite" in str((databases.get(alias) or {}).get("engine")) else "postgresql"
    dump = code_of(desired).module("dump", "--database", alias, "--to", "-", timeout=24 * 3600)
    yield perform(keep_by_root(dump, f"{path}{ENDINGS[vendor]}"))


def _workshop(desired: Desired) -> Path:
    """A folder that commands on the database may write to."""
    layout = desired.placement.layout
    return layout / "run" / "migrations" if desired.placement.account else layout.dir


def _open(desired: Desired) -> Op:
    return make_directory(_workshop(desired), 0o700 if desired.placement.account else 0o755, owner=desired.placement.account)


def migrate_in_window(desired: Desired, judgement: Judgement) -> Iterable[Step]:
    """One step each: once the first of them has run, the page may only go with a new release."""
    lock_timeout = desired.placement.topology.migrations.lock_timeout
    stays = {**write(desired.placement.layout.maintenance, f"{WINDOW}\n"), "only": f"{PAGE}\n"}
    for pending in judgement.window:
        command = run_phase(code_of(desired), (pending.label,), lock_timeout=lock_timeout, keep="", alias=judgement.alias)
        # One that is not atomic may have done a part of its work when it fails.
        ops = (perform(command), stays) if pending.atomic else (stays, perform(command))
        yield step("!", f"migrate {pending.label}{_of(judgement.alias)}", WHY["window"], *ops)


def migrate(desired: Desired, judgement: Judgement, phase: str) -> Iterable[Step]:
    """Before the switch, or after it."""
    pending = getattr(judgement, phase)
    relax = judgement.relax if phase == "before" else ()
    if not (pending or relax):
        return
    layout = desired.placement.layout
    labels = tuple(p.label for p in pending)
    keep = str(_kept_defaults(desired, judgement.alias)) if phase == "before" else ""
    opened = (_open(desired),) if keep and desired.placement.account else ()
    lock_timeout = desired.placement.topology.migrations.lock_timeout
    command = run_phase(code_of(desired), labels, lock_timeout=lock_timeout, keep=keep, relax=relax, alias=judgement.alias)
    what = f"migrate {_names(labels)}{_of(judgement.alias)}" if labels else f"let {', '.join(relax)} be empty"
    more: tuple[Op, ...] = (remove(layout.unfinished),) if phase == "after" else ()
    if phase == "before" and judgement.bridges:
        more = (write(layout.kept_since, json.dumps({"number": desired.number, "alias": judgement.alias})),)
    yield step("~" if phase == "before" else "!", what, WHY[phase], *opened, perform(command), *more)


def drop_kept_defaults(desired: Desired, live: Live, oldest: int) -> Iterable[Step]:
    """Defaults that stayed in the database for an older release go once no rollback can reach it."""
    since = live.kept_since or {}
    if since and int(since["number"]) <= oldest:
        command = drop_defaults(code_of(desired), str(_kept_defaults(desired, since["alias"])), since["alias"])
        yield step(
            "~",
            "drop defaults kept for older releases",
            f"none before v{since['number']} is kept",
            perform(command),
            remove(live.layout.kept_since),
        )


def _kept_defaults(desired: Desired, alias: str) -> Path:
    return _workshop(desired) / f"kept-defaults-{alias}.json"


def note_unfinished(desired: Desired, judgements: tuple[Judgement, ...]) -> Iterable[Step]:
    """What must follow the switch is written down before it, so that an interrupted deploy does not forget it."""
    for judgement in judgements:
        if judgement.after:
            labels = [p.label for p in judgement.after]
            note = json.dumps({"number": desired.number, "alias": judgement.alias, "after": labels})
            path = desired.placement.layout.unfinished
            yield step(
                "+", f"note: {_names(tuple(labels))} after the switch", WHY["after"], write(path, note), undo=(remove(path),)
            )


def finish(desired: Desired, live: Live) -> Iterable[Step]:
    """Migrations that an interrupted deploy left for after its switch."""
    note = live.unfinished or {}
    if note.get("number") != desired.number or desired.new:
        return
    labels = tuple(note["after"])
    lock_timeout = desired.placement.topology.migrations.lock_timeout
    command = run_phase(code_of(desired), labels, lock_timeout=lock_timeout, keep="", alias=note["alias"])
    yield step(
        "!",
        f"migrate {_names(labels)}",
        "left by an interrupted deploy",
        perform(command),
        remove(live.layout.unfinished),
    )


def _of(alias: str) -> str:
    return "" if alias == "default" else f" (database {alias})"


def _names(labels: tuple[str, ...]) -> str:
    more = len(labels) - SHOWN
    return ", ".join(labels[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def release_commands(desired: Desired) -> Iterable[Step]:
    placement = desired.placement
    path = f"{placement.manifest['environment']}/bin:/usr/local/bin:/usr/bin:/bin"
    for process in placement.manifest["processes"]:
        line = own_part(process) if process["kind"] == "release" else ""
        if line:
            env = {**placement.env, "PATH": path}
            cwd = str(placement.policy["manage_dir"])
            command = Command(("/bin/sh", "-c", line), env=env, cwd=cwd, timeout=3600, user=placement.account)
            yield step("!", f"release command: {line}", process["source"], perform(command))


def own_part(process: Mapping[str, Any]) -> str:
    """A release line without the migrate and collectstatic that a deploy does anyway, when it is a plain && chain."""
    parts = [part for part in str(process["command"]).split("&&") if not OURS.match(part)]
    return " && ".join(part.strip() for part in parts)
