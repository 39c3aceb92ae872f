"""nuages maintenance: a page in place of the site."""

from __future__ import annotations

import click

from nuages.cli.site import Site, permitted, with_site
from nuages.engine.maintenance import maintenance_plan, set_maintenance


@click.command()
@click.argument("wish", type=click.Choice(["on", "off", "status"]), default="status")
@with_site
def command(site: Site, wish: str) -> None:
    """Show a maintenance page in place of the site: on, off or status.

    It is answered with 503, everywhere but at /-/live, /-/ready and static files.
    """
    live = site.deployed()
    if wish != "status":
        permitted(site)
        plan = maintenance_plan(site.hosts, site.layout, on=wish == "on")
        set_maintenance(site.hosts, site.layout, plan)
        click.echo(f"maintenance is {wish}")
        return
    click.echo(f"maintenance is {'on' if live.maintenance else 'off'}")
