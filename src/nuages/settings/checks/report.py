"""Findings for people and for machines."""

from __future__ import annotations

from collections.abc import Iterable

from nuages.settings.checks.catalog import CATALOG
from nuages.settings.checks.registry import SEVERITIES
from nuages.settings.model import Finding


PAGE = "reference/checks.html"
HEADINGS = {
    "error": "Errors: these stop a deploy",
    "warning": "Warnings",
    "info": "Good to know",
    "unknown": "Not known",
}
COUNTED = {
    "error": ("error", "errors"),
    "warning": ("warning", "warnings"),
    "info": ("note", "notes"),
    "unknown": ("not known", "not known"),
}


def anchor(check_id: str) -> str:
    """The place of a check in docs/reference/checks.md; empty for ids that are not ours."""
    return f"{PAGE}#{check_id.lower().replace('.', '-')}" if check_id in CATALOG else ""


def exit_code(findings: Iterable[Finding], fail_on: str = "error") -> int:
    """0 nothing at or above the level, 1 errors, 3 warnings (only with `fail_on="warning"`)."""
    severities = {f.severity for f in findings if not f.silenced}
    if "error" in severities:
        return 1
    return 3 if fail_on == "warning" and "warning" in severities else 0


def as_json(findings: Iterable[Finding]) -> list[dict[str, str]]:
    return [
        {
            "id": f.id,
            "severity": f.severity,
            "group": f.group,
            "what": f.what,
            "where": f.where,
            "hint": f.hint,
            "docs": anchor(f.id),
            "silenced": f.silenced,
        }
        for f in findings
    ]


def summary(findings: Iterable[Finding]) -> str:
    """`1 error, 3 warnings, 5 notes, 2 not known; 1 silenced`."""
    told = tuple(findings)
    open_ones = [f.severity for f in told if not f.silenced]
    counts = [(open_ones.count(s), COUNTED[s]) for s in SEVERITIES]
    text = ", ".join(f"{n} {one if n == 1 else many}" for n, (one, many) in counts if n) or "nothing found"
    silenced = len(told) - len(open_ones)
    return f"{text}; {silenced} silenced" if silenced else text


def render(findings: Iterable[Finding]) -> str:
    """Plain text, worst first, by group; the caller adds colours."""
    told = tuple(findings)
    lines: list[str] = []
    for severity in SEVERITIES:
        part = sorted(
            (f for f in told if f.severity == severity and not f.silenced),
            key=lambda f: (f.group, f.id, f.where),
        )
        if part:
            lines += [HEADINGS[severity], *(line for f in part for line in lines_of(f)), ""]
    return "\n".join([*lines, summary(told)])


def lines_of(one: Finding) -> list[str]:
    where = f"  ({one.where})" if one.where else ""
    lines = [f"  {one.id:<18} {one.what}{where}"]
    return [*lines, f"  {'':<18} {one.hint}"] if one.hint else lines
