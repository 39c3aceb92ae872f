"""What most verbs start with: the site of this folder, and how it stands."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from nuages.cli.console import Terminal, permit
from nuages.engine.inspecting import Work, work_on
from nuages.engine.model import Live, Seat
from nuages.engine.observe import seats
from nuages.errors import UsageError
from nuages.hosts import Hosts, reach
from nuages.hosts.transport import Progress, Transport
from nuages.insight import facts
from nuages.release.layout import Layout, site_layout
from nuages.settings.configuration import load_configuration
from nuages.topology import Topology, find_root, load_topology


json_option = click.option("--json", "as_json", is_flag=True, help="For machines: one JSON object (or one a line).")
path_argument = click.argument("path", required=False, type=click.Path(file_okay=False))


@dataclass(frozen=True)
class Site:
    topology: Topology
    layout: Layout
    hosts: Hosts

    @property
    def lead(self) -> Transport:
        """The host that the site lives on; of several, the one that leads."""
        return self.hosts.lead

    @property
    def verb(self) -> str:
        """How it is deployed."""
        environment = self.topology.environment
        words = "nuages" if environment == "production" else f"nuages -e {environment}"
        return f"{words} deploy" if self.topology.remote else f"{words} up"

    def live(self) -> Live:
        return self.seats()[0].live

    def seats(self) -> tuple[Seat, ...]:
        """Every host, and how the site stands there."""
        return seats(self.hosts, self.layout, self.topology, self.topology)

    def work(self, live: Live, progress: Progress) -> Work:
        """For verbs that look into the project on this machine."""
        return work_on(self.topology, live, load_configuration(live.config), self.hosts.here, progress)

    def deployed(self) -> Live:
        """How it stands; raises UsageError when nothing was ever deployed."""
        live = self.live()
        if not live.release:
            raise UsageError(
                f"{self.topology.name} has not been deployed yet",
                where=str(self.topology.root),
                hint=self.verb,
            )
        return live


def root_of(ctx: click.Context, path: str | None = None) -> Path:
    return find_root(Path(path or (ctx.obj or {}).get("path") or "."))


def site_of(ctx: click.Context) -> Site:
    return site_at(root_of(ctx))


def site_at(root: Path, environment: str = "") -> Site:
    topology = load_topology(root, environment)
    with reach(topology) as hosts:
        return Site(topology, site_layout(topology), hosts)


def with_site(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a verb its `site` as first argument."""

    @click.pass_context
    @functools.wraps(function)
    def inner(ctx: click.Context, *args: Any, **kwargs: Any) -> Any:
        return ctx.invoke(function, site_of(ctx), *args, **kwargs)

    return inner


def terminal(ctx: click.Context, *, as_json: bool = False, ask: bool = False, only_plan: bool = False) -> Terminal:
    said = ctx.obj or {}
    return Terminal(as_json=as_json, verbose=said.get("verbose", False), ask=ask, only_plan=only_plan, yes=said.get("yes", False))


def permitted(site: Site) -> None:
    """For changes without a plan. Raises UsageError where a protected environment is not meant."""
    ctx = click.get_current_context()
    said = (ctx.obj or {}).get("yes") or ctx.params.get("yes") is True  # before the verb, or an option of its own
    if site.topology.protected and not said:
        permit(site.topology.name)


url_at = facts.url_at


def url_of(live: Live, topology: Topology) -> str:
    return facts.url_of(topology, live)
