"""Role and name -> component. The list of what is built in."""

from __future__ import annotations

import difflib
from typing import TypeVar

from nuages.components.appserver import AppServer
from nuages.components.appserver.granian import Granian
from nuages.components.appserver.gunicorn import Gunicorn
from nuages.components.appserver.own import OwnCommand
from nuages.components.backup import Backup, NoBackup
from nuages.components.backup.restic import Restic
from nuages.components.cache import Cache
from nuages.components.cache.memcached import Memcached
from nuages.components.cache.needs import cache_name
from nuages.components.cache.none import NoCache
from nuages.components.cache.redis import Redis
from nuages.components.cache.valkey import Valkey
from nuages.components.contract import Machine
from nuages.components.database import Database
from nuages.components.database.none import NoDatabase, Sqlite
from nuages.components.database.postgresql import PostgreSQL
from nuages.components.proxy import Proxy
from nuages.components.proxy.nginx import Nginx
from nuages.components.supervisor import Supervisor
from nuages.components.supervisor.embedded import Embedded
from nuages.components.supervisor.systemd import Systemd
from nuages.errors import TopologyError


T = TypeVar("T")

APP_SERVERS: dict[str, type[AppServer]] = {"granian": Granian, "gunicorn": Gunicorn, "own": OwnCommand}
SUPERVISORS: dict[str, type[Supervisor]] = {"embedded": Embedded, "systemd": Systemd}
DATABASES: dict[str, type[Database]] = {"postgresql": PostgreSQL, "sqlite": Sqlite, "none": NoDatabase}
PROXIES: dict[str, type[Proxy]] = {"nginx": Nginx}
BACKUPS: dict[str, type[Backup]] = {"restic": Restic, "none": NoBackup}
CACHES: dict[str, type[Cache]] = {"valkey": Valkey, "redis": Redis, "memcached": Memcached, "none": NoCache}


def app_server(name: str) -> AppServer:
    return _find(APP_SERVERS, name, "serve.server")()


def supervisor(name: str) -> Supervisor:
    return _find(SUPERVISORS, name, "serve.supervisor")()


def database(name: str) -> Database:
    return _find(DATABASES, name, "services.database")()


def proxy(name: str) -> Proxy:
    return _find(PROXIES, name, "services.proxy")()


def backup(name: str) -> Backup:
    return _find(BACKUPS, name, "backups.engine")()


def cache(name: str, machine: Machine) -> Cache:
    """ "auto" is what `machine` packages."""
    return _find(CACHES, cache_name(machine) if name == "auto" else name, "services.cache")()


def _find(known: dict[str, T], name: str, where: str) -> T:
    if name in known:
        return known[name]
    close = difflib.get_close_matches(name, known, 1)
    raise TopologyError(
        f"there is no {name!r}",
        where=where,
        hint=(f"did you mean {close[0]}? " if close else "") + ", ".join(sorted(known)),
    )
