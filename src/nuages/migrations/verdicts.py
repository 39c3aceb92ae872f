"""What rules say of an operation, and what they must know of the database to say it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nuages.migrations.model import RANK, Operation


Facts = Mapping[str, Any]
CONCURRENTLY = "build it with AddIndexConcurrently in a migration of its own with atomic = False"


@dataclass(frozen=True)
class Database:
    """What matters about the database: its vendor, and the sizes of the tables that the plan touches."""

    vendor: str
    sizes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    bridges: bool = True  # can keep a column's default while two releases share the table

    # A lock on a table of this size is over before anybody notices (measured: 50,000 rows are indexed in 0.1 s).
    ROWS = 50_000
    BYTES = 100_000_000

    def is_small(self, table: str) -> bool:
        """Tables of unknown size count as large, but for SQLite, whose rebuild copies a file that is at hand."""
        size = self.sizes.get(table)
        if not size:
            return self.vendor == "sqlite"
        rows, volume = size.get("rows"), size.get("bytes")
        if rows is None and volume is None:
            return False
        return (rows is None or rows < self.ROWS) and (volume is None or volume < self.BYTES)

    def tell_size(self, table: str) -> str:
        size = self.sizes.get(table) or {}
        if size.get("rows") is not None:
            return f"about {size['rows']:,} rows"
        return f"{size['bytes'] / 1e6:,.0f} MB" if size.get("bytes") else "size unknown"


def op(verdict: str, why: str, **more: Any) -> Operation:
    return Operation("", verdict, why, **more)


def safe(why: str, **more: Any) -> Operation:
    return op("safe", why, **more)


def lock(facts: Facts, database: Database, what: str, hint: str = "", **more: Any) -> Operation:
    """A lock is only worth a stop on a table that is large."""
    table = facts.get("table", "")
    if database.is_small(table):
        return safe(f"{what}, for a moment ({database.tell_size(table)})", **more)
    return op("lock", f"{what} ({table}: {database.tell_size(table)})", hint=hint, **more)


def worst(*found: Operation) -> Operation:
    return max(found, key=lambda one: RANK[one.verdict])
