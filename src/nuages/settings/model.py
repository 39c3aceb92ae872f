"""Values of this room."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Change:
    """One setting that production changes; `old` and `new` are reprs with secrets masked."""

    setting: str
    old: str
    new: str
    reason: str


@dataclass(frozen=True)
class Finding:
    """One finding of the audit. `severity` is error, warning, info or unknown; an error stops a deploy."""

    id: str
    severity: str
    what: str
    where: str = ""
    hint: str = ""
    group: str = ""
    silenced: str = ""  # the user's reason
