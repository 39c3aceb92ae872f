"""Values of this room."""

from __future__ import annotations

from dataclasses import dataclass


CLASSES = ("safe", "bridge", "data", "lock", "break", "destroy", "manual")


@dataclass(frozen=True)
class Operation:
    """One operation of a pending migration. `verdict` is one of CLASSES, the worst of a migration counts."""

    describe: str
    verdict: str
    why: str
    sql: tuple[str, ...] = ()


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

    @property
    def label(self) -> str:
        return f"{self.app}.{self.name}"


@dataclass(frozen=True)
class Break:
    """One way in which a release's code does not fit a schema (django.md section 4.2)."""

    model: str
    column: str
    what: str


@dataclass(frozen=True)
class Judgement:
    """What the pending migrations mean for this deploy."""

    pending: tuple[Pending, ...]
    conflicts: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()  # apps whose models changed without a migration
    breaks_old: tuple[Break, ...] = ()  # the live release's code against the migrated schema
    rehearsed: str = ""  # how it was tried: "on a copy of db.sqlite3 (0.4 s)" or ""
    snapshot: bool = False  # take one before
    rollback: str = ""  # what a rollback from here may do, in a sentence

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
