"""nuages maintenance: a page in place of the site."""

from __future__ import annotations

import click

from nuages.cli.site import Site, permitted, with_site
from nuages.engine.lock import deploy_lock


@click.command()
@click.argument("wish", type=click.Choice(["on", "off", "status"]), default="status")
@with_site
def command(site: Site, wish: str) -> None:
    """Show a maintenance page in place of the site: on, off or status.

    It is answered with 503, everywhere but at /-/live, /-/ready and static files.
    """
    live = site.deployed()
    path = str(site.layout.maintenance)
    if wish != "status":
        permitted(site)
        on = {"op": "file", "path": path, "content": "by hand\n"}
        op = on if wish == "on" else {"op": "remove", "paths": [path]}
        with deploy_lock(site.lead, site.layout, "maintenance") as token:
            for host in site.hosts.all:
                step = {"text": f"~ {host.name}  maintenance {wish}", "deploy": token, "ops": [op]}
                host.write([step], str(site.layout.journal), lambda _event: None)
        click.echo(f"maintenance is {wish}")
        return
    click.echo(f"maintenance is {'on' if live.maintenance else 'off'}")
