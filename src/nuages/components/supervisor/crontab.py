"""Five fields of crontab(5) as calendar events of systemd.time(7)."""

from __future__ import annotations

import re

from nuages.errors import TopologyError
from nuages.topology.backups import no_time


MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
NICKNAMES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
FIELDS: tuple[tuple[str, int, int, tuple[str, ...]], ...] = (
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day", 1, 31, ()),
    ("month", 1, 12, MONTHS),
    ("weekday", 0, 7, DAYS),
)
FIVE = 5


def calendar(at: str, where: str) -> tuple[str, ...]:
    """The lines of OnCalendar=. What is no crontab is handed to systemd as it is. Raises TopologyError."""
    text = NICKNAMES.get(at.strip().lower(), at.strip())
    words = text.split()
    if text.startswith("@"):
        raise TopologyError(f"there is no {text}", where=where, hint="one of: " + ", ".join(NICKNAMES))
    if len(words) != FIVE:
        return (_event(text, where),)
    values = [_field(word, *field, where) for word, field in zip(words, FIELDS, strict=True)]
    minute, hour, day, month = (_numbers(value) for value in values[:4])
    time = f"{hour}:{minute}:00"
    days = _weekdays(values[4])
    if words[2].startswith("*") or words[4].startswith("*"):
        return (f"{days}*-{month}-{day} {time}",)
    # crontab(5): where both are restricted, either is enough; systemd would want both.
    return (f"*-{month}-{day} {time}", f"{days}*-{month}-* {time}")


def _event(text: str, where: str) -> str:
    if no_time(text):
        raise TopologyError(
            f"{text!r} is no time",
            where=where,
            hint='five fields as in crontab: "15 3 * * *"; or as in systemd.time(7): "Mon..Fri 03:15"',
        )
    return text


def _field(word: str, name: str, low: int, high: int, names: tuple[str, ...], where: str) -> list[int] | None:
    """The numbers that a field means; None for all of them."""
    if word == "*":
        return None
    found: set[int] = set()
    for part in word.split(","):
        match = re.fullmatch(r"(\*|[A-Za-z0-9]+(?:-[A-Za-z0-9]+)?)(?:/(\d+))?", part)
        step = int(match[2] or 1) if match else 0
        if not match or step < 1:
            raise TopologyError(
                f"{part!r} is no {name}", where=where, hint="numbers, ranges as 1-5, steps as */15, lists with commas"
            )
        first, _dash, last = match[1].partition("-")
        begin = low if first == "*" else _number(first, name, low, high, names, where)
        end = _number(last, name, low, high, names, where) if last else high if first == "*" or match[2] else begin
        if end < begin:
            raise TopologyError(f"{part!r} ends before it begins", where=where)
        found.update(range(begin, end + 1, step))
    return sorted({day % 7 for day in found} if name == "weekday" else found)


def _number(word: str, name: str, low: int, high: int, names: tuple[str, ...], where: str) -> int:
    if word.lower()[:3] in names and word.isalpha():
        return names.index(word.lower()[:3]) + (1 if names is MONTHS else 0)
    if not word.isdecimal() or not low <= int(word) <= high:
        raise TopologyError(f"{word!r} is no {name}", where=where, hint=f"{low} to {high}")
    return int(word)


def _numbers(values: list[int] | None) -> str:
    return "*" if values is None else ",".join(f"{value:02d}" for value in values)


def _weekdays(values: list[int] | None) -> str:
    return "" if values is None else ",".join(DAYS[value].capitalize() for value in values) + " "
