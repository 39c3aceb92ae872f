"""Values of this room."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


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


@dataclass(frozen=True)
class ProductionSettings:
    """The policy that the release's runtime lays over the project's settings, and what it came to."""

    policy: Mapping[str, Any]
    changes: tuple[Change, ...] = ()
    findings: tuple[Finding, ...] = field(default=())

    @property
    def errors(self) -> tuple[Finding, ...]:
        return tuple(f for f in self.findings if f.severity == "error" and not f.silenced)
