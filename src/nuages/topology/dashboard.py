"""[dashboard]: the page that only reads, behind the site's own proxy."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nuages.errors import TopologyError


TAKEN = ("/-/live", "/-/ready", "/-/page/", "/-/protected/")


@dataclass(frozen=True)
class DashboardPage:
    """`path`: "" is off. Only superusers of the site's admin see it, and only on servers."""

    path: str = ""


def dashboard_of(table: Mapping[str, Any]) -> DashboardPage:
    """Raises TopologyError."""
    found = DashboardPage(**table)
    path = found.path
    if not path:
        return found
    if not re.fullmatch(r"/([A-Za-z0-9._-]+/)+", path) or "/../" in path or "/./" in path:
        raise TopologyError(
            f"{path!r} is no path for a page", where="dashboard.path", hint='it begins and ends with /: path = "/-/nuages/"'
        )
    if path.startswith(TAKEN) or any(taken.startswith(path) for taken in TAKEN):
        raise TopologyError(f"{path} is taken by Nuages itself", where="dashboard.path", hint='path = "/-/nuages/"')
    return found
