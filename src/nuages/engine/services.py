"""Which components a server gets for this site, what they give to its processes, and what they want of the host. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from nuages.components.certificates.own import Given
from nuages.components.certificates.seen import Seen
from nuages.components.contract import Description, Machine, Placement
from nuages.components.registry import backup, cache, database, supervisor
from nuages.components.web import decide, describe_web
from nuages.errors import TopologyError
from nuages.settings.configuration import Configuration
from nuages.topology.model import Topology


def exports_of(topology: Topology, machine: Machine, uses: Mapping[str, Any]) -> dict[str, str]:
    """Variables of the site's services, below what the user sets. `uses`: a manifest, or what is known of it."""
    if not topology.remote:
        return {}
    services = topology.services
    return {
        **database(services.database).exports(topology, uses),
        **cache(services.cache, machine).exports(topology, uses),
    }


def requirements_of(topology: Topology, machine: Machine, uses: Mapping[str, Any]) -> tuple[str, ...]:
    """Drivers that the services need in the site's environment."""
    if not topology.remote:
        return ()
    services = topology.services
    return (*database(services.database).requires(uses), *cache(services.cache, machine).requires(uses))


def refuse_many_databases(topology: Topology, config: Configuration) -> None:
    """A database on each of several hosts would be several databases. Raises TopologyError."""
    own = topology.services.database
    if len(topology.hosts) > 1 and own != "none" and "DATABASE_URL" not in config.env:
        hint = 'say database = "none", and `nuages config set DATABASE_URL=...` of one that all hosts reach'
        what = f"{own} on each of {len(topology.hosts)} hosts would be as many databases"
        raise TopologyError(what, where="services.database", hint=hint)


def with_exports(config: Configuration, exports: Mapping[str, str]) -> Configuration:
    """What the project is asked and built with: the services' variables below the user's."""
    return replace(config, env={**exports, **config.env}) if exports else config


def descriptions_of(
    placement: Placement, seen: Seen | None, given: Given, access: Mapping[str, Any] | None = None
) -> tuple[Description, ...]:
    """All that should lie on a server, in the order in which it is made. `seen` are the certificates that it has, `given`
    those that the user brings, `access` who may come beside them."""
    from nuages.components.base import describe_base
    from nuages.components.base.access import describe_access
    from nuages.components.monitor.page import describe_page

    topology, machine = placement.topology, placement.machine
    services = topology.services
    own = [
        *database(services.database).describe(placement),
        *cache(services.cache, machine).describe(placement),
        *supervisor(topology.supervisor).describe(placement),
        *describe_web(placement, decide(topology, placement.host, seen or Seen()), given),
        *backup(topology.backups.engine).describe(placement),
        *describe_page(placement),
    ]
    ports = tuple(port for description in own for port in description.ports)
    return (*describe_base(placement, ports), *own, *describe_access(placement, access or {}))
