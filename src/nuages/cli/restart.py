"""nuages restart: the same release in new processes."""

from __future__ import annotations

import click

from nuages.cli.site import Site, json_option, root_of, terminal, url_of, with_site
from nuages.deploy import deploy
from nuages.engine.request import Request


@click.command()
@json_option
@with_site
def command(site: Site, as_json: bool) -> None:
    """Start the live release anew beside itself and move the traffic, without losing a request."""
    ctx = click.get_current_context()
    site.deployed()
    deploy(Request(root=root_of(ctx), what="restart", source="live", force=True), terminal(ctx, as_json=as_json))
    live = site.live()
    if not as_json:
        click.echo(f"v{live.number} is live at {url_of(live, site.topology)}: in new processes")
