"""nuages deploy: `up` for a site that runs in the background."""

from __future__ import annotations

from typing import Any

import click

from nuages.cli.site import path_argument, root_of, site_at, terminal
from nuages.cli.up import Wish, deploy_options, overrides_of, perform


@click.command()
@path_argument
@deploy_options
@click.pass_context
def command(
    ctx: click.Context,
    /,
    path: str | None,
    port: int | None,
    bind: str | None,
    no_check: bool,
    adopt: bool,
    ask: bool,
    as_json: bool,
    **more: Any,
) -> None:
    """Deploy this project to the servers of nuages.toml; without any, to this machine, in the background."""
    wish = Wish(root_of(ctx, path), overrides_of(port, bind), not no_check, adopt, more)
    perform(wish, terminal(ctx, as_json=as_json, ask=ask), "deploy", site_at(wish.root), as_json=as_json)
