"""nuages open: the site in a browser."""

from __future__ import annotations

import click

from nuages.cli.site import Site, url_of, with_site
from nuages.errors import UsageError


@click.command()
@with_site
def command(site: Site) -> None:
    """Open the site in the browser, and print its address."""
    live = site.deployed()
    if not live.serving:
        raise UsageError("it is not running", hint="nuages start")
    url = url_of(live, site.topology)
    click.echo(url)
    click.launch(url)
