"""The order of a host's steps, and the guard round those that may lock us out. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from nuages.components.contract import Description
from nuages.engine.model import Step
from nuages.engine.readiness.state import Piece, Room


SECONDS = 90  # a fresh login takes one; a bad line to the other end of the world takes ten


def in_order(room: Room, described: Sequence[tuple[Description, Sequence[Piece]]]) -> list[Step]:
    """As described; those under guard are one block where the first of them stands, with one fresh login for all."""
    risky = [(d, pieces) for d, pieces in described if d.guard and pieces]
    made: list[Step] = []
    block = _guarded(room, risky)
    for description, pieces in described:
        if not description.guard:
            made += [piece.step for piece in pieces]
        elif block:
            made += block
            block = []
    return made


def _guarded(room: Room, risky: Sequence[tuple[Description, Sequence[Piece]]]) -> list[Step]:
    if not risky:
        return _left_over(room)
    names = " and ".join(dict.fromkeys(d.name for d, _pieces in risky))
    paths = sorted({file.path for d, _pieces in risky for file in d.files})
    units = sorted({unit.name for d, _pieces in risky for unit in d.units})
    return [_arm(room, names, paths, units), *(piece.step for _d, pieces in risky for piece in pieces), _gate(room, names)]


def _left_over(room: Room) -> list[Step]:
    """An earlier run ended before its fresh login: its change lies there, and is about to take itself back."""
    if _name(room) not in room.ready.guards:
        return []
    return [_arm(room, "an earlier run", [], []), _gate(room, "what an earlier run changed")]


def _name(room: Room) -> str:
    """Each site's own: two deploys at the same time don't confirm each other's changes."""
    return f"login-{room.site}"


def _arm(room: Room, names: str, paths: Sequence[str], units: Sequence[str]) -> Step:
    op = {"op": "arm", "name": _name(room), "paths": list(paths), "units": list(units), "seconds": SECONDS}
    what = f"changes of {names} will take themselves back in {SECONDS} s"
    return room.step("!", what, "unless a fresh login confirms them", op, undo=({"op": "revert", "name": _name(room)},))


def _gate(room: Room, names: str) -> Step:
    ops = ({"op": "confirm"}, {"op": "disarm", "name": _name(room)})
    return room.step("?", "a fresh login still works", f"confirms {names}", *ops, undo=({"op": "revert", "name": _name(room)},))
