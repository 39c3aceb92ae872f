"""A bare server becomes ready: what descriptions want, what lies there, and the steps between. Pure.

Three things are no steps: a file that a person changed by hand (drift), a host-wide change on a server that serves
others (consent), and something of others where ours should stand (a conflict, which stops the plan).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from nuages.components.contract import Description
from nuages.engine.model import Step
from nuages.engine.readiness.conflicts import conflict_questions, conflicts
from nuages.engine.readiness.files import file_pieces, named_paths, stale_files, verified
from nuages.engine.readiness.order import in_order
from nuages.engine.readiness.state import Consent, Drift, Piece, Ready, Room, subject, understand
from nuages.engine.readiness.things import account_pieces, action_pieces, directory_pieces, first_step, package_steps
from nuages.engine.readiness.units import stale_units, unit_pieces


__all__ = ["Comparison", "Consent", "Drift", "Ready", "compare", "questions", "steps", "understand"]


@dataclass(frozen=True)
class Comparison:
    """`steps` in order. `conflicts`, each (what, hint), stop the deploy. `notes` are worth a line, and change nothing."""

    steps: tuple[Step, ...] = ()
    drift: tuple[Drift, ...] = ()
    consent: tuple[Consent, ...] = ()
    conflicts: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()


def questions(descriptions: Sequence[Description], site: str) -> dict[str, Mapping[str, Any]]:
    """What the agent is to read: for one round trip, together with all else that a deploy asks."""
    return {
        "ready": {
            "kind": "ready",
            "site": site,
            "packages": sorted({name for d in descriptions for name in d.packages}),
            "accounts": sorted({account.name for d in descriptions for account in d.accounts}),
            "paths": sorted({path for d in descriptions for path in named_paths(d)}),
            "units": sorted({unit.name for d in descriptions for unit in d.units}),
            "ports": sorted(_ports(descriptions)),
        },
        **conflict_questions(descriptions),
    }


def compare(descriptions: Sequence[Description], ready: Ready, *, host: str, site: str, accept: Iterable[str] = ()) -> Comparison:
    """Steps from what lies on the host to what the descriptions want; asked again after them, there are none.

    `descriptions` are all that this site has on this host: what we wrote and none of them names is taken away.
    """
    room = Room(ready, host, site, frozenset(accept), fresh=_fresh(descriptions, ready), theirs=_theirs(descriptions, ready))
    described = [(d, room.agreed(d, _pieces(room, d))) for d in descriptions]
    refused = {consent.id for consent in room.consent}
    made = [
        *first_step(room, _ports(descriptions)),
        *(piece.step for d, pieces in described if d.early for piece in pieces),
        *package_steps(room, [d for d, pieces in described if pieces or subject(d) not in refused]),
        *in_order(room, [(d, pieces) for d, pieces in described if not d.early]),
        *stale_units(room, descriptions),
        *stale_files(room, descriptions),
    ]
    return Comparison(tuple(made), tuple(room.drift), tuple(room.consent), conflicts(room, descriptions), _notes(ready))


def steps(
    descriptions: Sequence[Description], ready: Ready, *, host: str, site: str, accept: Iterable[str] = ()
) -> tuple[Step, ...]:
    return compare(descriptions, ready, host=host, site=site, accept=accept).steps


def _pieces(room: Room, description: Description) -> list[Piece]:
    """In the order of the contract's fields."""
    files = file_pieces(room, description)
    pieces = (
        *account_pieces(room, description),
        *directory_pieces(room, description),
        *verified(description, files),
        *unit_pieces(room, description, frozenset(piece.path for piece in files)),
        *action_pieces(room, description),
    )
    return [replace(piece, step=replace(piece.step, part=description.what)) for piece in pieces]


def _fresh(descriptions: Sequence[Description], ready: Ready) -> frozenset[str]:
    """Descriptions some package of which comes with this plan: it may bring files that nobody could see yet."""
    return frozenset(d.name for d in descriptions if not all(ready.packages.get(name) for name in d.packages))


def _theirs(descriptions: Sequence[Description], ready: Ready) -> frozenset[str]:
    found = (
        d
        for d in descriptions
        for name in d.packages
        if ready.packages.get(name) and name not in ready.ledger.get("packages", {})
    )
    return frozenset(subject(d) for d in found)


def _ports(descriptions: Sequence[Description]) -> set[int]:
    return {port.number for d in descriptions for port in d.ports if port.protocol == "tcp"}


def _notes(ready: Ready) -> tuple[str, ...]:
    reverted = ready.ledger.get("reverted") or ()
    notes = [f"the last change of {name} took itself back: no fresh login confirmed it" for name in sorted(set(reverted))]
    if ready.compilers:
        notes.append(f"{', '.join(ready.compilers)} came with a package of ours: a compiler on a server serves intruders too")
    return tuple(notes)
