"""Is anything pending at all? Told without a start of Django on the host, where it can be told for certain.

The probe of the project has the names of all its migrations and of what each depends on; the live release had the same
ones; and the site's own database, asked under the deploy's lock, has applied every one of them: then Django would find
nothing to do. In any doubt Django is asked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from nuages.engine.model import Desired, Seat
from nuages.release.build import MIGRATIONS
from nuages.release.layout import store_layout


PLAIN = "django.db.backends.postgresql"
# Options of a connection that may lead to other tables than the account's own session sees.
ASTRAY = {"options", "service", "passfile"}


def has_all(desired: Desired, seat: Seat) -> bool:
    """Has the database everything that this build wants of it?"""
    graph = desired.placement.manifest.get("graph")
    if not graph or graph != (seat.live.manifest or {}).get("graph") or "rollback_to" in desired.release:
        return False
    told = seat.answers.get("applied") or {}
    wanted = _migrations(desired)
    return _is_plain(desired) and bool(wanted) and told.get("status") == 0 and wanted <= set(told["stdout"].splitlines())


def _migrations(desired: Desired) -> set[str]:
    """As the probe found them; none where the build was made on another machine."""
    build = store_layout(desired.placement.topology).build(desired.placement.build.id)
    try:
        found = json.loads((build / MIGRATIONS).read_text(encoding="utf-8"))
        return set(found["names"])
    except (OSError, ValueError, KeyError, TypeError):
        return set()


def _is_plain(desired: Desired) -> bool:
    """One database, the one that we made for the site, reached as its account reaches it."""
    databases: Mapping[str, Any] = desired.placement.manifest["facts"].get("databases") or {}
    default = databases.get("default") or {}
    as_made = default.get("engine") == PLAIN and default.get("name") == desired.placement.account
    return list(databases) == ["default"] and as_made and is_ours(desired) and not ASTRAY & set(default.get("options") or ())


def is_ours(desired: Desired) -> bool:
    return bool(desired.environ.get("DATABASE_URL")) and desired.environ["DATABASE_URL"] in made(desired)


def made(desired: Desired) -> list[str]:
    """Databases that the plan makes, where they are not there yet."""
    return [str(d.exports["DATABASE_URL"]) for d in desired.descriptions if "DATABASE_URL" in d.exports]
