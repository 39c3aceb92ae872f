"""Which columns are scrubbed, and how: what nuages.toml declares, over what is known of well-known apps. Pure.

`told` is what dataside/columns.py wrote about the database. Whatever refers to a scrubbed column follows it, since equal
values become equal ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from nuages.data.known_apps import KNOWN, USER
from nuages.errors import UsageError
from nuages.topology.scrub import TABLE, Rule, Scrub


TEXT = {"text", "email", "username", "name", "first-name", "last-name", "phone", "address", "digits", "hash", "ip", "password"}
# Kinds that a column of a type can take, beside keep and null.
FITTING = {
    "text": TEXT | {"empty"},
    "array:text": TEXT | {"empty"},
    "json": {"empty", "json-drop"},
    "date": {"date", "text", "delete"},
    "datetime": {"date", "text", "delete"},
    "int": {"digits", "text"},
    "number": {"text"},
    "bool": {"text"},
    "uuid": {"hash", "text"},
    "inet": {"ip", "text"},
    "binary": {"empty"},
    "words": {"empty"},
}
UNIQUE = {"keep", "null", "email", "username", "hash", "delete", "password"}  # what gives different values for different ones
SHORTEST = {"email": 24, "username": 13, "phone": 13, "ip": 15, "password": 9}  # characters that it needs
PERSONAL = re.compile(
    r"e_?mail|phone|mobile|^tel$|telephone|fax|address|street|postcode|zip(_?code)?$|postal|iban|\bbic\b|swift|passport|birth|\bdob\b|ssn|"
    r"tax_?(id|number)|vat_?(id|number)|national_?id|first_?name|last_?name|sur_?name|family_?name|given_?name|full_?name|maiden|"
    r"gender|ip_?addr|^ip$|user_?agent|latitude|longitude|credit_?card|card_?number|account_?(no|number|holder)|"
    r"token|secret|password|api_?key|private_?key|signature",
    re.IGNORECASE,
)
GUESSES = (  # by the name of the column: what would fit
    (r"e_?mail", "email"),
    (r"phone|mobile|^tel$|telephone|fax", "phone"),
    (r"first_?name|given_?name", "first-name"),
    (r"last_?name|sur_?name|family_?name|maiden", "last-name"),
    (r"name|holder", "name"),
    (r"ip_?addr|^ip$", "ip"),
    (r"street|address", "address"),
    (r"iban|bic|swift|card|zip|post|passport|ssn|tax|vat|national|account", "digits"),
    (r"token|secret|key|password|signature", "hash"),
)


@dataclass(frozen=True)
class Column:
    table: str
    name: str
    kind: str  # of its type: text, json, date ...
    rule: Rule
    label: str  # as the rule was named
    max_length: int = 0
    null: bool = False
    protocol: str = ""


@dataclass(frozen=True)
class Reference:
    """A foreign key of a table some of whose targets may be gone: set to null, or where it can't be, its rows go too."""

    table: str
    column: str
    to_table: str
    to_column: str
    null: bool


@dataclass(frozen=True)
class Plan:
    """What a scrub will do. `emptied`: tables that leave without rows; `aged`: columns by which old rows are deleted;
    `suspects`: undeclared columns that look personal, with a rule that would fit; `unknown`: of the emptied tables, those
    that no model names and no rule."""

    columns: tuple[Column, ...] = ()
    emptied: tuple[str, ...] = ()
    aged: tuple[Column, ...] = ()
    orphans: tuple[Reference, ...] = ()
    suspects: tuple[tuple[str, str], ...] = ()
    unknown: tuple[str, ...] = ()
    declared: tuple[str, ...] = field(default=())  # labels whose rule comes from nuages.toml

    @property
    def tables(self) -> int:
        return len({column.table for column in self.columns})


def make_scrub(told: Mapping[str, Any], scrub: Scrub) -> Plan:
    """Raises UsageError where a rule names nothing, or can't do what it should."""
    models = {model["label"]: model for model in told["models"]}
    rules = {**_defaults(told, models), **_declared(told, models, scrub)}
    emptied = {models[name]["table"] for name, rule in rules.items() if name in models and rule.kind == "delete"}
    emptied |= {name[len(TABLE) :] for name, rule in rules.items() if name.startswith(TABLE) and rule.kind == "delete"}
    unknown = _unknown(told, rules)
    emptied |= set(unknown)  # nobody can say what is in them
    kept = {name for name, rule in rules.items() if rule.kind == "keep"}
    columns = [c for c in _columns(models, rules) if c.table not in emptied]
    changed = [c for c in columns if c.rule.kind not in ("keep", "delete")]
    aged = tuple(c for c in columns if c.rule.kind == "delete")
    changed += _followers(told, changed, emptied)
    changed += _words(told, changed, emptied)
    return Plan(
        columns=tuple(sorted(changed, key=lambda c: (c.table, c.name))),
        emptied=tuple(sorted(emptied)),
        aged=aged,
        orphans=tuple(_orphans(told, {*emptied, *(c.table for c in aged)}, emptied)),
        suspects=tuple(_suspects(told, rules, emptied, {(c.table, c.name) for c in changed}, kept)),
        unknown=tuple(unknown),
        declared=tuple(sorted(scrub.rules)),
    )


def _defaults(told: Mapping[str, Any], models: Mapping[str, Any]) -> dict[str, Rule]:
    """Django's own personal data, that of well-known apps, and histories of whatever is scrubbed."""
    found = {name: rule for name, rule in KNOWN.items() if _is_there(name, models)}
    user = models.get(told["user"])
    if user is None:
        return found
    for column in user["columns"]:
        rule = USER.get(column["field"]) or (Rule("email") if column["class"] == "EmailField" else None)
        if column["field"] == told["username"] and rule is None:
            rule = Rule("username")
        if rule and column["kind"] == "text":
            found[f"{user['label']}.{column['field']}"] = rule
    return found


def _declared(told: Mapping[str, Any], models: Mapping[str, Any], scrub: Scrub) -> dict[str, Rule]:
    by_small = {label.lower(): label for label in models}
    found = {}
    for name, rule in scrub.rules.items():
        if name.startswith(TABLE):
            if name[len(TABLE) :] not in told["tables"]:
                raise _nothing(name, "there is no such table", told["tables"], name[len(TABLE) :])
            found[name] = rule
            continue
        app, model, *rest = name.split(".")
        label = by_small.get(f"{app}.{model}".lower())
        if label is None:
            raise _nothing(name, "there is no such model", list(models), f"{app}.{model}")
        fields = [c["field"] for c in models[label]["columns"]]
        if rest and rest[0] not in fields:
            raise _nothing(name, f"{label} has no such field", fields, rest[0])
        found[".".join((label, *rest))] = rule
    return found


def _nothing(name: str, what: str, known: list[str], said: str) -> UsageError:
    import difflib

    close = difflib.get_close_matches(said, known, 1)
    hint = f"did you mean {close[0]}?" if close else "known: " + ", ".join(sorted(known)[:20])
    return UsageError(what, where=f'nuages.toml: scrub."{name}"', hint=hint)


def _is_there(name: str, models: Mapping[str, Any]) -> bool:
    label, _dot, last = name.rpartition(".")
    return name in models or (label in models and any(c["field"] == last for c in models[label]["columns"]))


def _columns(models: Mapping[str, Any], rules: Mapping[str, Rule]) -> Iterable[Column]:
    for label, model in models.items():
        history = _history_of(label, models)
        for told in model["columns"]:
            name = f"{label}.{told['field']}"
            rule = rules.get(name) or (rules.get(f"{history}.{told['field']}") if history else None)
            if rule is None:
                continue
            if told["to"] and rule.kind not in ("keep", "null", "delete"):
                hint = f"it follows {told['to'][0]}.{told['to'][1]}: declare that one, or null here"
                raise UsageError("this field refers to another table", where=f'nuages.toml: scrub."{name}"', hint=hint)
            column = _column(model["table"], told, rule, name)
            if name in rules:
                _check(column, told)
            yield column


def _history_of(label: str, models: Mapping[str, Any]) -> str:
    """django-simple-history keeps every earlier value of Model in HistoricalModel."""
    app, model = label.split(".")
    of = f"{app}.{model.removeprefix('Historical')}"
    historical = model.startswith("Historical") and any(c["field"] == "history_id" for c in models[label]["columns"])
    return of if historical and of in models else ""


def _column(table: str, told: Mapping[str, Any], rule: Rule, label: str) -> Column:
    return Column(
        table,
        told["column"],
        told["kind"],
        rule,
        label,
        int(told["max_length"] or 0),
        bool(told["null"]),
        str(told["protocol"] or "").lower(),
    )


def _check(column: Column, told: Mapping[str, Any]) -> None:
    kind, where = column.rule.kind, f'nuages.toml: scrub."{column.label}"'
    fitting = FITTING.get(column.kind, set())
    if told["generated"] and kind != "keep":
        raise UsageError("the database makes this column from others", where=where, hint="declare those, and leave this one out")
    if kind not in fitting | {"keep", "null"}:
        hint = f"a column of type {column.kind} takes {', '.join(sorted(fitting | {'keep', 'null'}))}"
        raise UsageError(f"{kind} does not fit {told['class']}", where=where, hint=hint)
    if kind == "null" and not told["null"]:
        hint = "empty" if "empty" in fitting else f"one of: {', '.join(sorted(fitting)) or 'delete the rows'}"
        raise UsageError("this column can't be null", where=where, hint=hint)
    if told["unique"] and kind not in UNIQUE:
        raise UsageError(f"{kind} would give two rows the same value, and the column is unique", where=where, hint="hash")
    if column.max_length and column.max_length < SHORTEST.get(kind, 0):
        hint = "hash, digits or text:... take any length"
        raise UsageError(f"{kind} needs {SHORTEST[kind]} characters, this column has {column.max_length}", where=where, hint=hint)


def _followers(told: Mapping[str, Any], changed: list[Column], emptied: set[str]) -> list[Column]:
    """Foreign keys to a column that changes: the same rule, and the target's length, so that equal stays equal. In turns,
    for what refers to a follower follows too."""
    by_place = {(c.table, c.name): c for c in changed}
    found: list[Column] = []
    turn = True
    while turn:
        turn = False
        for model in told["models"]:
            for each in model["columns"]:
                target = by_place.get(tuple(each["to"])) if each["to"] else None
                place = (model["table"], each["column"])
                if target is None or place in by_place or model["table"] in emptied:
                    continue
                follower = Column(*place, target.kind, target.rule, target.label, target.max_length, bool(each["null"]))
                by_place[place] = follower
                found.append(follower)
                turn = True
    return found


def _orphans(told: Mapping[str, Any], begun: set[str], emptied: set[str]) -> Iterable[Reference]:
    """From the tables that lose rows to those that refer to them, and on from there."""
    lose, seen = sorted(begun), set(begun)
    while lose:
        parent = lose.pop(0)
        for model in told["models"]:
            for each in model["columns"]:
                if not each["to"] or each["to"][0] != parent or model["table"] in emptied:
                    continue
                yield Reference(model["table"], each["column"], parent, each["to"][1], bool(each["null"]))
                if not each["null"] and model["table"] not in seen:
                    seen.add(model["table"])
                    lose.append(model["table"])


def _words(told: Mapping[str, Any], changed: list[Column], emptied: set[str]) -> list[Column]:
    """A search vector holds the words of its table's other columns."""
    tables = {c.table for c in changed} - emptied
    taken = {(c.table, c.name) for c in changed}
    return [
        _column(model["table"], each, Rule("empty"), f"{model['label']}.{each['field']}")
        for model in told["models"]
        for each in model["columns"]
        if each["kind"] == "words" and model["table"] in tables and not each["generated"]
        if (model["table"], each["column"]) not in taken
    ]


def _suspects(
    told: Mapping[str, Any], rules: Mapping[str, Rule], emptied: set[str], changed: set[tuple[str, str]], kept: set[str]
) -> Iterable[tuple[str, str]]:
    for model in told["models"]:
        if model["table"] in emptied or model["label"] in kept:
            continue
        for each in model["columns"]:
            name = f"{model['label']}.{each['field']}"
            decided = name in rules or (model["table"], each["column"]) in changed
            if not decided and not each["to"] and not each["generated"] and looks_personal(each):
                yield name, guess(each)


def looks_personal(told: Mapping[str, Any]) -> bool:
    """By its name or its type. Numbers of rows and flags are nobody's data."""
    if told["kind"] in ("bool", "other"):
        return False
    typed = told["class"] in ("EmailField", "GenericIPAddressField", "PhoneNumberField") or told["class"].startswith("Encrypted")
    return typed or bool(PERSONAL.search(told["field"]))


def guess(told: Mapping[str, Any]) -> str:
    """A rule that fits, as it would be written."""
    fitting = FITTING.get(told["kind"], set())
    named = next((kind for pattern, kind in GUESSES if re.search(pattern, told["field"], re.IGNORECASE)), "")
    named = "email" if told["class"] == "EmailField" else "ip" if told["class"] == "GenericIPAddressField" else named
    order = (named, "date", "hash", "empty", "json-drop", "digits")
    fits = [k for k in order if k in fitting and (k in UNIQUE or not told["unique"])]
    fits = [k for k in fits if not told["max_length"] or told["max_length"] >= SHORTEST.get(k, 0)]
    return fits[0] if fits else "null" if told["null"] else "keep"


def _unknown(told: Mapping[str, Any], rules: Mapping[str, Rule]) -> list[str]:
    named = {model["table"] for model in told["models"]} | {"django_migrations"}
    return sorted(t for t in told["tables"] if t not in named and f"{TABLE}{t}" not in rules)
