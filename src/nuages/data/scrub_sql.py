"""A plan of scrubbing as statements. Pure. The words they are made of (scrub_email ...) are in dataside/scrub_rows.py.

One statement a table, so that each row is written once. NULL and "" stay what they are: nobody is in them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from nuages.data.scrub_rules import Column, Plan


DAYS = 30
WORDS = {  # kind -> the function, and whether it takes the most characters that may come out
    "email": ("scrub_email", True),
    "username": ("scrub_username", True),
    "name": ("scrub_name", True),
    "first-name": ("scrub_first_name", True),
    "last-name": ("scrub_last_name", True),
    "address": ("scrub_address", True),
    "hash": ("scrub_hash", True),
    "phone": ("scrub_phone", False),
    "digits": ("scrub_digits", False),
    "ip": ("scrub_ip4", False),
    "password": ("scrub_password", False),
}


def statements(plan: Plan, vendor: str) -> list[dict[str, Any]]:
    """In order: {"table", "what", "sql"}."""
    dialect = PostgreSQL() if vendor == "postgresql" else SQLite()
    return [*_gone(plan, dialect), *_changed(plan, dialect)]


def _gone(plan: Plan, dialect: Dialect) -> Iterable[dict[str, Any]]:
    for table in plan.emptied:
        yield {"table": table, "what": "emptied", "sql": f"DELETE FROM {name(table)}"}  # noqa: S608 - names are quoted
    for c in plan.aged:
        days = int(c.rule.argument.rstrip("d"))
        sql = f"DELETE FROM {name(c.table)} WHERE {name(c.name)} < {dialect.days_ago(days)}"  # noqa: S608
        yield {"table": c.table, "what": f"older than {days} days by {c.name}", "sql": sql}
    for r in plan.orphans:
        there = f"SELECT 1 FROM {name(r.to_table)} p WHERE p.{name(r.to_column)} = {name(r.table)}.{name(r.column)}"  # noqa: S608
        lost = f"{name(r.table)}.{name(r.column)} IS NOT NULL AND NOT EXISTS ({there})"
        do = f"UPDATE {name(r.table)} SET {name(r.column)} = NULL" if r.null else f"DELETE FROM {name(r.table)}"  # noqa: S608
        yield {"table": r.table, "what": f"whose {r.to_table} is gone", "sql": f"{do} WHERE {lost}"}


def _changed(plan: Plan, dialect: Dialect) -> Iterable[dict[str, Any]]:
    for table in dict.fromkeys(c.table for c in plan.columns):
        columns = [c for c in plan.columns if c.table == table]
        pairs = ", ".join(f"{name(c.name)} = {dialect.new_value(c)}" for c in columns)
        sql = f"UPDATE {name(table)} SET {pairs}"  # noqa: S608
        yield {"table": table, "what": ", ".join(c.name for c in columns), "sql": sql}


class Dialect:
    prefix = ""

    def days_ago(self, days: int) -> str:
        raise NotImplementedError

    def new_value(self, c: Column) -> str:
        kind = c.rule.kind
        if kind == "null":
            return "NULL"
        if kind == "text":
            return self.fixed(c)
        if kind == "empty":
            return self.empty(c)
        if c.kind == "json":
            return self.json_drop(c)
        if kind == "date":
            return self.shifted(c, int(c.rule.argument or DAYS))
        return self.worded(c)

    def fixed(self, c: Column) -> str:
        if c.kind.startswith("array:"):
            return self.each(c, text(c.rule.argument))
        said = text(c.rule.argument)
        cut = f"substr({said}, 1, {c.max_length})" if c.max_length and c.kind == "text" else said
        kept = f"WHEN {name(c.name)} IS NULL THEN NULL "
        kept += f"WHEN {name(c.name)} = '' THEN '' " if c.kind == "text" else ""
        return f"CASE {kept}ELSE {self.cast(cut, c)} END"

    def worded(self, c: Column) -> str:
        if c.kind.startswith("array:"):
            return self.each(c, self.word(c, "x"))
        value = self.word(c, self.as_text(c))
        empty = f"WHEN {name(c.name)} = '' THEN '' " if c.kind == "text" else ""
        return f"CASE WHEN {name(c.name)} IS NULL THEN NULL {empty}ELSE {self.cast(value, c)} END"

    def word(self, c: Column, value: str) -> str:
        function, bounded = WORDS[c.rule.kind]
        if c.rule.kind == "ip" and (c.protocol == "ipv6" or (c.protocol != "ipv4" and c.kind == "inet")):
            function = "scrub_ip6"
        return f"{self.prefix}{function}({value}{f', {self.bound(c)}' if bounded else ''})"

    def bound(self, c: Column) -> int:
        return 32 if c.kind == "uuid" else c.max_length or 60

    def as_text(self, c: Column) -> str:
        raise NotImplementedError

    def cast(self, sql: str, c: Column) -> str:
        raise NotImplementedError

    def empty(self, c: Column) -> str:
        raise NotImplementedError

    def each(self, c: Column, sql: str) -> str:
        raise NotImplementedError

    def json_drop(self, c: Column) -> str:
        raise NotImplementedError

    def shifted(self, c: Column, days: int) -> str:
        raise NotImplementedError


class PostgreSQL(Dialect):
    prefix = "nuages_scrub."
    types = {"uuid": "uuid", "inet": "inet", "int": "bigint", "number": "numeric", "bool": "boolean", "date": "date"}  # noqa: RUF012
    types |= {"datetime": "timestamptz"}

    def days_ago(self, days: int) -> str:
        return f"now() - interval '{days} days'"

    def as_text(self, c: Column) -> str:
        return f"host({name(c.name)})" if c.kind == "inet" else f"{name(c.name)}::text"

    def cast(self, sql: str, c: Column) -> str:
        return f"({sql})::{self.types[c.kind]}" if c.kind in self.types else sql

    def empty(self, c: Column) -> str:
        if c.kind.startswith("array:"):
            return "'{}'"
        if c.kind == "json":
            array = f"jsonb_typeof({name(c.name)}::jsonb) = 'array'"
            return f"CASE WHEN {name(c.name)} IS NULL THEN NULL WHEN {array} THEN '[]' ELSE '{{}}' END::jsonb"
        return "''"

    def each(self, c: Column, sql: str) -> str:
        kept = f"CASE WHEN x IS NULL OR x = '' THEN x ELSE {sql} END"
        found = f"SELECT coalesce(array_agg({kept} ORDER BY n), '{{}}') FROM unnest({name(c.name)}::text[]) WITH ORDINALITY AS u(x, n)"  # noqa: S608
        return f"CASE WHEN {name(c.name)} IS NULL THEN NULL ELSE ({found}) END"

    def json_drop(self, c: Column) -> str:
        if not c.rule.argument:
            return self.empty(c)
        keys = ", ".join(text(key.strip()) for key in c.rule.argument.split(","))
        return f"{self.prefix}scrub_json({name(c.name)}::jsonb, ARRAY[{keys}])"

    def shifted(self, c: Column, days: int) -> str:
        return f"{name(c.name)} + {self.prefix}scrub_days({name(c.name)}::text, {days}) * interval '1 day'"


class SQLite(Dialect):
    def days_ago(self, days: int) -> str:
        return f"datetime('now', '-{days} days')"

    def as_text(self, c: Column) -> str:
        return f"CAST({name(c.name)} AS TEXT)"

    def cast(self, sql: str, c: Column) -> str:
        return {"int": f"CAST({sql} AS INTEGER)", "number": f"CAST({sql} AS NUMERIC)"}.get(c.kind, sql)

    def empty(self, c: Column) -> str:
        if c.kind == "json":
            return f"scrub_json({name(c.name)}, '')"
        return "x''" if c.kind == "binary" else "''"

    def each(self, c: Column, sql: str) -> str:
        raise NotImplementedError  # SQLite has no arrays

    def json_drop(self, c: Column) -> str:
        return f"scrub_json({name(c.name)}, {text(c.rule.argument)})"

    def shifted(self, c: Column, days: int) -> str:
        return f"scrub_date({name(c.name)}, {days})"


def name(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'


def text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
