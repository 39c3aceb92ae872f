"""[backups]: where they go, when, and how long they are kept."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nuages.errors import TopologyError


KEEP = {"daily": 7, "weekly": 4, "monthly": 6}
REMOTE = ("sftp:", "s3:", "b2:", "azure:", "gs:", "swift:", "rest:", "rclone:")


@dataclass(frozen=True)
class Backups:
    """`to`: "" is the server itself; a folder, or what restic calls a repository: sftp:user@host:/folder, s3:https://host/bucket."""

    engine: str = "restic"
    to: str = ""
    at: str = "03:30"
    media: bool = True
    keep: Mapping[str, int] = field(default_factory=lambda: dict(KEEP))


def backups_of(table: Mapping[str, Any]) -> Backups:
    """Raises TopologyError."""
    found = Backups(**{**table, "keep": {**KEEP, **table.get("keep", {})}})
    if found.to and not found.to.startswith(("/", *REMOTE)):
        hint = 'to = "/mnt/disk", "sftp:user@host:/folder" or "s3:https://host/bucket"'
        raise TopologyError(f"{found.to!r} is no place for backups", where="backups.to", hint=hint)
    if re.search(r"[\s'\"%\\]", found.to):
        raise TopologyError("spaces, quotes, % and \\ can't be in it", where="backups.to")
    if no_time(found.at):
        raise TopologyError(
            f"{found.at!r} is no time", where="backups.at", hint='at = "03:30", or as in systemd.time(7): "Mon,Thu 02:00"'
        )
    if any(number < 0 for number in found.keep.values()) or not any(found.keep.values()):
        raise TopologyError(
            "some backups must be kept", where="backups.keep", hint="keep = { daily = 7, weekly = 4, monthly = 6 }"
        )
    return found


def no_time(at: str) -> bool:
    """What can be no calendar event of systemd.time(7), as far as it is seen from here: systemd itself would refuse it in the
    middle of a deploy."""
    clock = re.fullmatch(r"(?:.* )?(\d+):(\d+)(?::(\d+))?", at)
    late = clock and any(int(part or 0) > most for part, most in zip(clock.groups(), (23, 59, 59), strict=True))
    return bool(late) or not re.fullmatch(r"[A-Za-z0-9 .,:/*~+_-]{1,200}", at)
