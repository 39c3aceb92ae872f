"""Environments: what `[env.NAME]` puts over the rest of nuages.toml. Production is the rest itself."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

from nuages.errors import TopologyError


PRODUCTION = "production"
CHOSEN = "NUAGES_ENV"  # set by `nuages -e NAME`, and by whoever wants it for a whole shell
NAME = r"[a-z0-9]([a-z0-9-]{0,18}[a-z0-9])?"
# Of production alone: two sites can't answer to one name, and what is protected there need not be elsewhere.
NOT_INHERITED = ("name", "domains", "port", "protected")
WHOLE = ("hosts", "cron")  # taken over as they are, or replaced as a whole


def current() -> str:
    """The one that `nuages -e` chose, else production."""
    return os.environ.get(CHOSEN) or PRODUCTION


def names_of(declared: Mapping[str, Any]) -> tuple[str, ...]:
    """All environments, production first."""
    return tuple(dict.fromkeys((PRODUCTION, *declared.get("env", {}))))


def chosen(declared: Mapping[str, Any], environment: str) -> dict[str, Any]:
    """The file as it reads in one environment. Raises TopologyError where nobody declared it."""
    base = {key: value for key, value in declared.items() if key != "env"}
    own = declared.get("env", {}).get(environment)
    if own is None and environment != PRODUCTION:
        raise TopologyError(
            f"there is no environment called {environment!r}",
            where=f"env.{environment}",
            hint=f"known: {', '.join(names_of(declared))}; a new one is a table in nuages.toml: [env.{environment}]",
        )
    if environment != PRODUCTION:
        base = {key: value for key, value in base.items() if key not in NOT_INHERITED}
    return over(base, own or {})


def over(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in own.items():
        deep = isinstance(value, dict) and isinstance(merged.get(key), dict) and key not in WHOLE
        merged[key] = over(merged[key], value) if deep else value
    return merged


def site_of(name: str, environment: str, longest: int) -> str:
    """The site of an environment beside production: its own name, account, database and place on the disk. The end
    stays whole, so that a long name is not cut down to production's."""
    end = f"-{environment}"
    return name[: longest - len(end)].rstrip("-") + end


def refuse_unfit_names(declared: Mapping[str, Any]) -> None:
    for name in declared.get("env", {}):
        if not re.fullmatch(NAME, name):
            raise TopologyError("use at most 20 small letters, digits and hyphens", where=f"env.{name}")
