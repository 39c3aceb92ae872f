"""nuages start: what was live, without building."""

from __future__ import annotations

import click

from nuages.cli.site import Site, json_option, root_of, terminal, url_of, with_site
from nuages.deploy import deploy
from nuages.engine.request import Request


@click.command()
@json_option
@with_site
def command(site: Site, as_json: bool) -> None:
    """Bring back exactly what was live, without building; after a reboot too.

    At boot, without root: a systemd user unit, or `@reboot cd PROJECT && nuages start` in crontab (the guide "start at boot").
    """
    ctx = click.get_current_context()
    site.deployed()
    console = terminal(ctx, as_json=as_json)
    deploy(Request(root=root_of(ctx), what="start", source="live"), console)
    live = site.live()
    if not as_json:
        click.echo(f"v{live.number} is live at {url_of(live, site.topology)}")
