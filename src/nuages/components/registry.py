"""Role and name -> component. The list of what is built in."""

from __future__ import annotations

import difflib
from typing import TypeVar

from nuages.components.appserver import AppServer
from nuages.components.appserver.gunicorn import Gunicorn
from nuages.components.appserver.own import OwnCommand
from nuages.components.supervisor import Supervisor
from nuages.components.supervisor.embedded import Embedded
from nuages.errors import TopologyError


T = TypeVar("T")

APP_SERVERS: dict[str, type[AppServer]] = {"gunicorn": Gunicorn, "own": OwnCommand}
SUPERVISORS: dict[str, type[Supervisor]] = {"embedded": Embedded}


def app_server(name: str) -> AppServer:
    return _find(APP_SERVERS, name, "serve.server")()


def supervisor(name: str) -> Supervisor:
    return _find(SUPERVISORS, name, "serve.supervisor")()


def _find(known: dict[str, T], name: str, where: str) -> T:
    if name in known:
        return known[name]
    close = difflib.get_close_matches(name, known, 1)
    raise TopologyError(
        f"there is no {name!r}",
        where=where,
        hint=(f"did you mean {close[0]}? " if close else "") + ", ".join(sorted(known)),
    )
