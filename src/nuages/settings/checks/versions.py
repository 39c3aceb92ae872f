"""Versions at their end of life, by the dates that their makers publish."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from nuages.settings.checks.registry import Context, check, finding
from nuages.settings.model import Finding


# The last day of the month in which security fixes end (devguide.python.org/versions, djangoproject.com/download).
PYTHON = {
    "3.7": date(2023, 6, 30),
    "3.8": date(2024, 10, 31),
    "3.9": date(2025, 10, 31),
    "3.10": date(2026, 10, 31),
    "3.11": date(2027, 10, 31),
    "3.12": date(2028, 10, 31),
    "3.13": date(2029, 10, 31),
    "3.14": date(2030, 10, 31),
}
DJANGO = {
    "2.2": date(2022, 4, 30),
    "3.0": date(2021, 4, 30),
    "3.1": date(2021, 12, 31),
    "3.2": date(2024, 4, 30),
    "4.0": date(2023, 4, 30),
    "4.1": date(2023, 12, 31),
    "4.2": date(2026, 4, 30),
    "5.0": date(2025, 4, 30),
    "5.1": date(2025, 12, 31),
    "5.2": date(2028, 4, 30),
    "6.0": date(2027, 4, 30),
    "6.1": date(2027, 12, 31),
}
NEAR = timedelta(days=90)


def series(version: str) -> str:
    return ".".join(version.split(".")[:2])


def older_than_all(version: str, table: dict[str, date]) -> bool:
    numbers = [tuple(int(n) for n in known.split(".")) for known in table]
    asked = tuple(int(n) for n in series(version).split(".") if n.isdigit())
    return len(asked) == 2 and asked < min(numbers)  # noqa: PLR2004


def judge(name: str, version: str, table: dict[str, date], check_id: str, today: date) -> Iterator[Finding]:
    end = table.get(series(version))
    newer = ", ".join(v for v, day in table.items() if day > today + NEAR)
    hint = f"supported after that: {newer}" if newer else ""
    if end is None and older_than_all(version, table):
        yield finding(check_id, "warning", f"{name} {version} gets no security fixes any more", where=name, hint=hint)
    elif end and end < today:
        yield finding(
            check_id,
            "warning",
            f"{name} {series(version)} gets no security fixes since {end:%B %Y}",
            where=f"{name} {version}",
            hint=hint,
        )
    elif end and end - today < NEAR:
        yield finding(
            "versions.N003",
            "info",
            f"{name} {series(version)} gets security fixes until {end:%B %Y}",
            where=f"{name} {version}",
            hint=hint,
        )


@check("versions.N001", "versions.N003")
def python_is_supported(context: Context) -> Iterator[Finding]:
    yield from judge("Python", context.project.environment.python.version, PYTHON, "versions.N001", context.today)


@check("versions.N002", "versions.N003")
def django_is_supported(context: Context) -> Iterator[Finding]:
    yield from judge("Django", context.project.probe.django, DJANGO, "versions.N002", context.today)
