"""Databases, caches and queues as Heroku's users see them: a view over `[services]` and the variables that they give. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from nuages.components.budget import budget
from nuages.components.cache.needs import cache_name, wants_queue
from nuages.components.contract import Machine
from nuages.components.registry import cache, database
from nuages.errors import UsageError
from nuages.topology.model import Services, Topology


ROLES = {"postgresql": "database", "sqlite": "database", "valkey": "cache", "redis": "cache", "memcached": "cache"}
# As Heroku's Elements call them, without their plan.
THEIRS = {"heroku-postgresql": "postgresql", "heroku-redis": "valkey", "memcachier": "memcached", "postgres": "postgresql"}
KEEPS = ("valkey", "redis")  # what is queued in them outlives a restart


@dataclass(frozen=True)
class Addon:
    """`gives`: variables of the site's processes; no secrets, for they lead to sockets. `memory` in bytes, 0: the site's
    own. `yours`: a variable that the configuration sets, over ours."""

    name: str
    role: str
    what: str
    gives: Mapping[str, str] = field(default_factory=dict)
    yours: tuple[str, ...] = ()
    memory: int = 0
    queue: bool = False

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def addons_of(topology: Topology, machine: Machine, manifest: Mapping[str, Any], env: Mapping[str, str]) -> tuple[Addon, ...]:
    """What the site has. `env` is what the configuration sets."""
    if not topology.remote:
        return _here(env)
    shares, services, found = budget(machine, topology), topology.services, []
    if services.database != "none":
        gives = database(services.database).exports(topology, manifest)
        memory = shares.postgres if services.database == "postgresql" else 0
        what = "a role and a database of the site's own" if memory else "a file in the site's shared/data"
        found.append(Addon(services.database, "database", what, gives, _yours(gives or {"DATABASE_URL": ""}, env), memory))
    name = chosen_cache(topology, machine)
    if name != "none":
        gives, queue = cache(name, machine).exports(topology, manifest), name in KEEPS and wants_queue(manifest)
        what = "a cache and a queue of the site's own" if queue else "a cache of the site's own"
        memory = shares.cache + (shares.queue if queue else 0)
        found.append(Addon(name, "cache", what, gives, _yours(gives, env), memory, queue))
    return (*found, *_external(found, env))


def chosen_cache(topology: Topology, machine: Machine) -> str:
    return cache_name(machine) if topology.services.cache == "auto" else topology.services.cache


def _here(env: Mapping[str, str]) -> tuple[Addon, ...]:
    own = (
        ()
        if "DATABASE_URL" in env
        else (Addon("sqlite", "database", "a file in the site's shared/data, or what the project names"),)
    )
    return (*own, *_external((), env))


def _external(found: Any, env: Mapping[str, str]) -> tuple[Addon, ...]:
    """Services of others that the configuration names, where none of ours stands below."""
    known = {name for addon in found for name in (*addon.gives, *addon.yours)}
    names = [n for n in ("DATABASE_URL", "CACHE_URL", "REDIS_URL") if n in env and n not in known]
    return tuple(Addon(env[n].split(":", 1)[0], "elsewhere", f"named by {n} in the configuration", yours=(n,)) for n in names)


def _yours(gives: Mapping[str, str], env: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(sorted(name for name in gives if name in env))


def with_role(services: Services, role: str, name: str) -> Services:
    return replace(services, database=name) if role == "database" else replace(services, cache=name)


def known_name(wish: str) -> str:
    """Ours for what was typed: heroku-postgresql:mini is postgresql. Raises UsageError."""
    name = wish.partition(":")[0].lower()
    name = THEIRS.get(name, name)
    if name not in ROLES:
        import difflib

        close = difflib.get_close_matches(name, [*ROLES, *THEIRS], 1)
        hint = (f"did you mean {close[0]}? " if close else "") + "there are " + ", ".join(ROLES)
        raise UsageError(f"there is no add-on called {wish}", hint=f"{hint}; one elsewhere: nuages config set DATABASE_URL=...")
    return name


def refuse_change(now: str, wish: str, manifest: Mapping[str, Any], *, deployed: bool) -> None:
    """May `wish` take the place of `now`? Raises UsageError where that would lose what is kept."""
    if ROLES[wish] == "database" and deployed:
        where = now if now != "none" else "the database that the site has now"
        raise UsageError(
            f"the rows are in {where}, and {wish} would begin without them",
            hint="nuages db convert --to postgresql moves them, each value compared; to begin without them, say "
            f'database = "{wish}" under [services] in nuages.toml, and deploy with --no-check',
        )
    if wish == "memcached" and wants_queue(manifest):
        raise UsageError(
            "the project keeps tasks, channels or other things in Redis, and memcached keeps nothing",
            hint="valkey or redis",
        )
