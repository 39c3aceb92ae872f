"""A Heroku app as its files and its exported configuration tell it, and what of it goes where. Text in, values out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from nuages.errors import ProjectError


WHERE = "app.json"
# What Heroku sets and what stands in its place: the services' own variables, the platform's.
DATABASES = re.compile(r"DATABASE_URL|DATABASE_CONNECTION_POOL_URL|HEROKU_POSTGRESQL_\w+_URL|DATABASE_\w*_URL")
CACHES = re.compile(
    r"REDIS_URL|REDIS_TLS_URL|HEROKU_REDIS_\w+_(TLS_)?URL|MEMCACHIER_\w+|MEMCACHEDCLOUD_\w+|REDISCLOUD_URL|MEMCACHE_\w+"
)
PLATFORM = re.compile(
    r"PORT|DYNO|STACK|SOURCE_VERSION|PATH|LANG|PYTHONPATH|PYTHONHOME|PYTHONHASHSEED|PYTHONUNBUFFERED|LIBRARY_PATH|LD_LIBRARY_PATH|"
    r"BUILD_DIR|CACHE_DIR|ENV_DIR|WEB_CONCURRENCY|NUAGES_\w+|HEROKU_\w+|DISABLE_PIP_\w+"
)
NODE = re.compile(r"NPM_CONFIG_\w+|NODE_MODULES_CACHE|YARN_\w+")
ADDONS = {
    "heroku-postgresql": "postgresql, on the server",
    "heroku-redis": "valkey or redis, on the server",
    "rediscloud": "valkey or redis, on the server",
    "memcachier": "memcached, on the server",
    "memcachedcloud": "memcached, on the server",
    "scheduler": "no file tells its jobs: write each as [[cron]] in nuages.toml (heroku addons:open scheduler shows them)",
    "cron-to-go": "write each job as [[cron]] in nuages.toml",
    "papertrail": "nuages logs -f --grep; the files lie on the server",
    "logentries": "nuages logs -f --grep; the files lie on the server",
    "logdna": "nuages logs -f --grep; the files lie on the server",
    "deployhooks": "[notify] in nuages.toml",
    "ssl": "certificates are asked for by themselves once DNS points to the server",
}
BUILDPACKS = {
    "heroku/python": "",
    "heroku/nodejs": "a front end is found by its package.json and built before collectstatic",
    "heroku-community/apt": "packages of the system are installed on the server by you: apt install ...",
    "pgbouncer": "not needed: connections are kept by the processes and counted",
    "heroku-geo-buildpack": "GDAL and GEOS come from the server's system where the project needs them",
}


@dataclass(frozen=True)
class Variable:
    name: str
    value: str = ""
    required: bool = True
    generated: bool = False
    description: str = ""


@dataclass(frozen=True)
class AppJson:
    name: str = ""
    variables: tuple[Variable, ...] = ()
    formation: Mapping[str, int] = field(default_factory=dict)
    addons: tuple[str, ...] = ()
    buildpacks: tuple[str, ...] = ()
    postdeploy: str = ""
    healthcheck: str = ""
    unknown: tuple[str, ...] = ()


NOTED = {"name", "env", "formation", "addons", "buildpacks", "scripts", "healthchecks"}
SILENT = {"description", "keywords", "website", "repository", "logo", "success_url", "$schema", "stack", "image"}


def parse_app_json(text: str) -> AppJson:
    """Raises ProjectError where it is no JSON object."""
    try:
        found = json.loads(text)
    except ValueError as error:
        raise ProjectError(f"is not valid JSON: {error}", where=WHERE) from error
    if not isinstance(found, dict):
        raise ProjectError("should hold an object", where=WHERE)
    scripts = _table(found.get("scripts"))
    checks = _table(found.get("healthchecks")).get("web") or []
    return AppJson(
        name=str(found.get("name") or ""),
        variables=tuple(_variable(name, told) for name, told in _table(found.get("env")).items()),
        formation={name: int(_table(told).get("quantity") or 0) for name, told in _table(found.get("formation")).items()},
        addons=tuple(_plan(told) for told in found.get("addons") or () if _plan(told)),
        buildpacks=tuple(str(_table(told).get("url") or told) for told in found.get("buildpacks") or ()),
        postdeploy=str(_command(scripts.get("postdeploy"))),
        healthcheck=next((str(check["path"]) for check in checks if isinstance(check, dict) and check.get("path")), ""),
        unknown=tuple(sorted(set(found) - NOTED - SILENT)),
    )


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _variable(name: str, told: Any) -> Variable:
    if not isinstance(told, dict):
        return Variable(name, str(told))
    value = told.get("value")
    return Variable(
        name,
        "" if value is None else str(value),
        required=told.get("required", True) is not False,
        generated=told.get("generator") == "secret",
        description=str(told.get("description") or ""),
    )


def _plan(told: Any) -> str:
    return str(told.get("plan") or "") if isinstance(told, dict) else str(told)


def _command(told: Any) -> str:
    return str(told.get("command") or "") if isinstance(told, dict) else str(told or "")


def why_dropped(name: str, value: str, given: Mapping[str, str]) -> str:
    """Why a variable does not come along; "" where it does. `given`: the URLs of Heroku's own services, by their value."""
    if DATABASES.fullmatch(name):
        return "the database on the server gives it"
    if CACHES.fullmatch(name):
        return "the cache on the server gives it"
    if name == "WEB_CONCURRENCY":
        return "nuages ps:scale web=N says it"
    if PLATFORM.fullmatch(name) or NODE.fullmatch(name):
        return "it is the platform's own"
    if value and value in given:
        return f"it is the same as {given[value]}, which leads to Heroku"
    return ""


def services_elsewhere(values: Mapping[str, str]) -> dict[str, str]:
    """URL -> name, of Heroku's own databases and caches: other variables may repeat them."""
    return {v: n for n, v in values.items() if "://" in v and (DATABASES.fullmatch(n) or CACHES.fullmatch(n))}


def addon_notes(addons: Iterable[str]) -> list[str]:
    """One line for each: what stands in its place."""
    return [f"add-on {plan}: {ADDONS.get(_short(plan), 'its variables come along, and go on leading there')}" for plan in addons]


def _short(plan: str) -> str:
    return plan.partition(":")[0].lower()


def cache_for(addons: Iterable[str]) -> str:
    """What [services] should say of the cache; "" leaves the default."""
    names = {_short(plan) for plan in addons}
    return "memcached" if names & {"memcachier", "memcachedcloud"} and not names & {"heroku-redis", "rediscloud"} else ""


def buildpack_notes(buildpacks: Iterable[str]) -> list[str]:
    notes = []
    for url in buildpacks:
        known = next((told for part, told in BUILDPACKS.items() if part in url), None)
        if known != "":
            notes.append(
                f"buildpack {url}: {known or 'it has no counterpart; `nuages inspect` shows what is found in the project'}"
            )
    return notes
