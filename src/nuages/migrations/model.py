"""Values of this room."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any


# From the mildest to the gravest.
RANK = {verdict: rank for rank, verdict in enumerate(("safe", "bridge", "data", "lock", "manual", "break", "destroy"))}


@dataclass(frozen=True)
class Operation:
    """One operation of a pending migration. `verdict` is one of RANK, the worst of a migration counts."""

    describe: str
    verdict: str
    why: str
    sql: tuple[str, ...] = ()
    hint: str = ""
    certain: bool = True  # False: a guess from the operation, which the compatibility proof may overrule
    needed: bool = False  # the new release's code can't run before it
    relax: str = ""  # app.model.field to make nullable before the switch, so that its removal can wait until after
    relax_column: str = ""  # its column
    takes_back: bool = True  # False: the old code's data is gone after it


@dataclass(frozen=True)
class Pending:
    """One pending migration: `app.name`, judged. `phase`: before (the switch), after, window, or stop."""

    app: str
    name: str
    operations: tuple[Operation, ...]
    verdict: str
    phase: str
    atomic: bool = True
    why: str = ""
    hint: str = ""
    needs: tuple[str, ...] = ()  # labels in the same plan that must run earlier
    relax: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        return f"{self.app}.{self.name}"


@dataclass(frozen=True)
class Break:
    """One way in which a release's code does not fit a schema."""

    model: str
    column: str
    what: str
    what_kind: str = ""  # no table, no column, unknown not null, null, narrower, type, unique


@dataclass(frozen=True)
class Rehearsal:
    """The pending migrations tried on a copy, and both releases' code compared with the schema after each of them."""

    how: str = ""  # "on a copy of db.sqlite3 (0.4 s)", or "not rehearsed: why"
    proved: bool = False  # the live release's code was compared
    introduces: Mapping[str, tuple[Break, ...]] = field(default_factory=dict)  # label -> what breaks the live code
    needed: Mapping[str, tuple[Break, ...]] = field(default_factory=dict)  # label -> what the new code misses before it
    breaks_old: tuple[Break, ...] = ()  # the live code against the schema at the end, beyond what it misses already
    seconds: Mapping[str, float] = field(default_factory=dict)
    whole: bool = False  # the copy had the rows too, so `seconds` are what the live database will take
    failed: str = ""  # "app.name: the database's words"


@dataclass(frozen=True)
class Judgement:
    """What the pending migrations mean for this deploy."""

    pending: tuple[Pending, ...]
    conflicts: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()  # apps whose models changed without a migration
    breaks_old: tuple[Break, ...] = ()  # the live release's code against the migrated schema
    rehearsed: str = ""  # how it was tried: "on a copy of db.sqlite3 (0.4 s)" or ""
    snapshot: bool = False  # take one before
    snapshot_told: str = ""  # its size and time, told before: "about 120 MB, 1 s"
    rollback: str = ""  # what a rollback from here may do, in a sentence
    alias: str = "default"
    everything: bool = False  # nothing is live beside it: whatever is pending runs
    failed: str = ""  # the rehearsal failed: the migration and the database's words
    move: tuple[Any, ...] = ()  # steps that bring all rows from another database, behind the page; then none of these is judged

    def costing(self, told: str) -> Judgement:
        return replace(self, snapshot_told=told)

    @property
    def bridges(self) -> bool:
        """Does a migration before the switch keep a default for the older release?"""
        return any(o.verdict == "bridge" for p in self.before for o in p.operations)

    @property
    def relax(self) -> tuple[str, ...]:
        """Columns to make nullable before the switch: `migrate --relax`."""
        return tuple(field for p in self.after for field in p.relax)

    @property
    def before(self) -> tuple[Pending, ...]:
        return tuple(p for p in self.pending if p.phase == "before")

    @property
    def after(self) -> tuple[Pending, ...]:
        return tuple(p for p in self.pending if p.phase == "after")

    @property
    def window(self) -> tuple[Pending, ...]:
        return tuple(p for p in self.pending if p.phase == "window")

    @property
    def stops(self) -> tuple[Pending, ...]:
        return tuple(p for p in self.pending if p.phase == "stop")
