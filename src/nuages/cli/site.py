"""What most verbs start with: the site of this folder, and how it stands."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from nuages.cli.console import Terminal
from nuages.engine.model import Live
from nuages.engine.observe import observe
from nuages.errors import UsageError
from nuages.hosts import reach
from nuages.hosts.transport import Transport
from nuages.release.layout import Layout, local_site
from nuages.topology import Topology, find_root, load_topology


json_option = click.option("--json", "as_json", is_flag=True, help="For machines: one JSON object (or one a line).")
path_argument = click.argument("path", required=False, type=click.Path(file_okay=False))


@dataclass(frozen=True)
class Site:
    topology: Topology
    layout: Layout
    here: Transport

    def live(self) -> Live:
        return observe(self.here, self.layout, self.topology)

    def deployed(self) -> Live:
        """How it stands; raises UsageError when nothing was ever deployed."""
        live = self.live()
        if not live.release:
            raise UsageError(
                f"{self.topology.name} has not been deployed yet",
                where=str(self.topology.root),
                hint="nuages up",
            )
        return live


def root_of(ctx: click.Context, path: str | None = None) -> Path:
    return find_root(Path(path or (ctx.obj or {}).get("path") or "."))


def site_of(ctx: click.Context) -> Site:
    topology = load_topology(root_of(ctx))
    with reach(topology) as here:
        return Site(topology, local_site(topology.name), here)


def with_site(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a verb its `site` as first argument."""

    @click.pass_context
    @functools.wraps(function)
    def inner(ctx: click.Context, *args: Any, **kwargs: Any) -> Any:
        return ctx.invoke(function, site_of(ctx), *args, **kwargs)

    return inner


def terminal(ctx: click.Context, *, as_json: bool = False, ask: bool = False, only_plan: bool = False) -> Terminal:
    return Terminal(as_json=as_json, verbose=(ctx.obj or {}).get("verbose", False), ask=ask, only_plan=only_plan)


def url_of(live: Live, topology: Topology) -> str:
    return url_at(live.address, topology)


def url_at(address: str, topology: Topology) -> str:
    """Where people reach it: the domain when one is declared, else this machine."""
    if topology.domains:
        return f"{'https' if topology.tls.enabled else 'http'}://{topology.domains[0]}/"
    host, _, port = address.rpartition(":")
    shown = "localhost" if host in ("127.0.0.1", "::1", "[::1]", "", "0.0.0.0") else host  # noqa: S104
    return f"http://{shown}:{port}/"
