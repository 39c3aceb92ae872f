"""Files, links and what must not lie there: the steps, and what a person changed by hand. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from nuages.components.contract import Description, File, Link
from nuages.engine.model import Op, Step
from nuages.engine.readiness.state import EVERYBODY, KEPT, Drift, Piece, Room, revealed, run_op


LINKS_AND_FILES = ("files", "links", "absent")


def named_paths(description: Description) -> Iterable[str]:
    yield from (directory.path for directory in description.directories)
    yield from (file.path for file in description.files)
    yield from (link.path for link in description.links)
    yield from description.absent


def file_pieces(room: Room, description: Description) -> list[Piece]:
    """One for each path that differs."""
    made = [_file(room, description, file) for file in description.files]
    made += [_link(room, description, link) for link in description.links]
    made += [_absent(room, description, path) for path in description.absent]
    return [piece for piece in made if piece]


def verified(description: Description, pieces: Sequence[Piece]) -> list[Piece]:
    """The last one is followed by the description's own check; where that fails all of them are put back."""
    if not pieces or not description.verify:
        return list(pieces)
    *before, last = pieces
    check: Op = {"op": "run", **run_op(description.verify)}
    undo = tuple(op for piece in reversed(pieces) for op in piece.step.undo)
    why = "; ".join(filter(None, (last.step.why, f"checked by {description.verify}")))
    return [*before, replace(last, step=replace(last.step, why=why, ops=(*last.step.ops, check), undo=undo))]


def _file(room: Room, description: Description, file: File) -> Piece | None:
    content = revealed(file.content)
    digest = hashlib.sha256(content.encode()).hexdigest()
    lying, entry = room.ready.paths.get(file.path), room.entry("files", file.path)
    symbol, why, foreign = "+", "", False
    if entry and entry.get("for") not in (None, room.whose(description)):
        hint = "give this site, or the process that it is for, another name"
        room.conflicts.append((f"{file.path} is of the site {entry['for']} on this host", hint))
        return None
    if lying:
        if file.once:
            return None
        if lying.get("sha256") == digest:
            return _manners(room, file, lying)
        symbol, why = "~", "content differs"
        if entry is None:
            why, foreign = f"what lay there is kept in {KEPT}{file.path}", not room.brought(description)
        elif lying.get("sha256") not in (entry["digest"], entry["was"]):
            if f"file:{file.path}" not in room.accept:
                room.drift.append(_by_hand(room, file.path))
                return None
            why = f"overwritten as accepted; the changed one is kept in /root/nuages-changed-by-hand{file.path}"
    elif entry:
        why = "somebody removed it"
    op: dict[str, Any] = {
        "op": "install",
        "path": file.path,
        "content": content,
        "mode": file.mode,
        "owner": file.owner,
        "group": file.group,
        "once": file.once,
        "whose": room.whose(description),
        "by": description.name,
        "expect": (lying or {}).get("sha256") or (lying or {}).get("target"),
        "fresh": description.name in room.fresh,
        "pending": [unit.name for unit in description.units if file.path in unit.on],
    }
    undo: Op = {"op": "put_back", "path": file.path}
    return Piece(room.step(symbol, file.path, why or description.what, op, undo=(undo,)), foreign, file.path)


def _manners(room: Room, file: File, lying: Any) -> Piece | None:
    """Only mode or owner differ."""
    if (lying["mode"], lying["owner"], lying["group"]) == (file.mode, file.owner, file.group):
        return None
    why = f"{lying['owner']}:{lying['group']} {lying['mode']:04o}, and should be {file.owner}:{file.group} {file.mode:04o}"
    op = {"op": "manners", "path": file.path, "mode": file.mode, "owner": file.owner, "group": file.group}
    return Piece(room.step("~", file.path, why, op), alters=room.entry("files", file.path) is None, path=file.path)


def _by_hand(room: Room, path: str) -> Drift:
    return Drift(
        room.host,
        path,
        "was changed by hand, and stays so",
        f"take your change into nuages.toml, or have it overwritten: nuages deploy --accept file:{path}",
    )


def _link(room: Room, description: Description, link: Link) -> Piece | None:
    lying, entry = room.ready.paths.get(link.path), room.entry("links", link.path)
    if lying and lying.get("target") == link.target:
        return None
    if lying and entry and lying.get("target") != entry["target"] and f"file:{link.path}" not in room.accept:
        room.drift.append(_by_hand(room, link.path))
        return None
    why = f"what lay there is kept in {KEPT}{link.path}" if lying and not entry else description.what
    op = {"op": "link", "path": link.path, "target": link.target, "whose": room.whose(description)}
    what = f"{link.path} -> {link.target}"
    undo: Op = {"op": "put_back", "path": link.path}
    return Piece(room.step("~" if lying else "+", what, why, op, undo=(undo,)), bool(lying and not entry), link.path)


def _absent(room: Room, description: Description, path: str) -> Piece | None:
    """A package that comes with this plan may bring it: then nobody could see it yet."""
    lying = room.ready.paths.get(path)
    if not lying and description.name not in room.fresh:
        return None
    op = {"op": "set_aside", "path": path, "whose": room.whose(description)}
    undo: Op = {"op": "bring_back", "path": path}
    alters = bool(lying) and not room.brought(description)
    return Piece(room.step("-", path, f"a package brings it; kept below {KEPT}", op, undo=(undo,)), alters, path)


def stale_files(room: Room, descriptions: Sequence[Description]) -> list[Step]:
    """What we wrote and nobody wants any more. Keys and passwords (`once`) stay until the site goes."""
    wanted = {path for d in descriptions for path in named_paths(d)}
    gone = [path for path in ours(room) if path not in wanted]
    made = [room.step("-", path, "nothing wants it any more", {"op": "bring_back", "path": path}) for path in gone]
    staying = {unit.name for d in descriptions for unit in d.units}  # one that nobody wants has been stopped
    known = room.ready.ledger.get("units", {})
    units = sorted(name for name, unit in known.items() if name in staying and set(unit.get("on", ())) & set(gone))
    if units and made:
        reload: Op = {"op": "reload_units", "names": units}
        made[-1] = replace(made[-1], ops=(*made[-1].ops, reload))
    return made


def ours(room: Room) -> list[str]:
    """Paths in the ledger that are this site's, or the host's where it is the only site."""
    alone = set(room.ready.ledger.get("sites", {})) <= {room.site}
    mine = {room.site, EVERYBODY} if alone else {room.site}
    return [
        path
        for kind in LINKS_AND_FILES
        for path, entry in room.ready.ledger.get(kind, {}).items()
        if entry["for"] in mine and not entry.get("once")
    ]
