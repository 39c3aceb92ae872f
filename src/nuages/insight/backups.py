"""What the backups' own note says: when the newest was made, and whether it was."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from nuages.insight.model import Backup
from nuages.release.layout import Layout


def questions(layout: Layout) -> dict[str, Mapping[str, Any]]:
    return {"backup": {"kind": "json", "path": str(layout / "backups" / "status.json")}}


def understood(answer: Mapping[str, Any]) -> Backup | None:
    """None where none was ever made, or where the note can't be read (dataside/nightly.py writes it)."""
    told = answer.get("backup")
    if not isinstance(told, Mapping) or "unreadable" in told:
        return None
    at = _time(told.get("at"))
    if not at:
        return None
    ok, said = bool(told.get("ok")), str(told.get("what") or "")
    return Backup(at, ok, said if ok else "", str(told.get("where") or ""), "" if ok else said)


def _time(value: Any) -> float:
    if isinstance(value, (int, float)):
        return float(value)
    try:
        return dt.datetime.fromisoformat(str(value)).timestamp()
    except ValueError:
        return 0
