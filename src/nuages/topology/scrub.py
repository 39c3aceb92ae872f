"""[scrub] of nuages.toml: what must not leave production, by model and field. What a kind does is in `data.scrub_sql`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from nuages.errors import TopologyError


# Kind -> what may follow a colon: "" nothing, "?" something or nothing, "!" it must be there.
KINDS = {
    "keep": "",
    "null": "",
    "empty": "",
    "text": "?",  # text:as it should read
    "email": "",
    "username": "",
    "name": "",
    "first-name": "",
    "last-name": "",
    "phone": "",
    "address": "",
    "digits": "",
    "hash": "",
    "ip": "",
    "password": "",
    "date": "?",  # date:30, days
    "json-drop": "?",  # json-drop:email,phone
    "delete": "?",  # delete:90d, of rows older than that by this column
}
STRICT = "strict"
TABLE = "table:"


@dataclass(frozen=True)
class Rule:
    kind: str
    argument: str = ""

    def __str__(self) -> str:
        return f"{self.kind}:{self.argument}" if self.argument else self.kind


@dataclass(frozen=True)
class Scrub:
    """`rules` by "app.Model.field", "app.Model" or "table:name", as they are written. `strict`: what looks personal must be
    declared before anything leaves."""

    strict: bool = False
    rules: Mapping[str, Rule] = field(default_factory=dict)


def scrub_of(table: Mapping[str, Any]) -> Scrub:
    """From the table of nuages.toml. Raises TopologyError."""
    strict = table.get(STRICT, False)
    if not isinstance(strict, bool):
        raise TopologyError("should be true or false", where="scrub.strict", hint="strict = true")
    return Scrub(strict, {name: _rule(name, said) for name, said in _flat(table) if name != STRICT})


def _flat(table: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Without its quotes, TOML reads app.Model.field as tables in tables."""
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{key}.")
        else:
            yield before + key, value


def _rule(name: str, said: Any) -> Rule:
    where = f'scrub."{name}"'
    if not re.fullmatch(r"table:.+|\w+\.\w+(\.\w+)?", name):
        hint = '"app.Model.field", "app.Model" or "table:name"'
        raise TopologyError(f"{name!r} names no column", where=where, hint=hint)
    if not isinstance(said, str):
        raise TopologyError("should be text", where=where, hint=f'"{name}" = "null"')
    kind, _colon, argument = said.partition(":")
    if kind not in KINDS:
        import difflib

        close = difflib.get_close_matches(kind, KINDS, 1)
        hint = f"did you mean {close[0]}? " if close else ""
        raise TopologyError(f"there is no {kind!r}", where=where, hint=hint + "one of: " + ", ".join(KINDS))
    whole = not name.startswith(TABLE) and name.count(".") == 1
    _check_argument(kind, argument, where, whole=whole or name.startswith(TABLE))
    return Rule(kind, argument)


def _check_argument(kind: str, argument: str, where: str, *, whole: bool) -> None:
    if whole and (kind not in ("delete", "keep") or argument):
        hint = '"delete" for all its rows, "keep"; a field takes the others: "app.Model.field"'
        raise TopologyError("a whole table takes delete or keep", where=where, hint=hint)
    if argument and not KINDS[kind]:
        raise TopologyError(f"{kind} takes nothing after a colon", where=where)
    if kind == "date" and argument and not (argument.isdecimal() and int(argument)):
        raise TopologyError(f"{argument!r} is not a number of days", where=where, hint="date:30 moves by up to 30 days")
    if kind == "delete" and not whole and not re.fullmatch(r"[1-9][0-9]*d", argument):
        raise TopologyError("say how old", where=where, hint='"delete:90d" deletes rows older than 90 days by this column')
