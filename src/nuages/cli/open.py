"""nuages open: the site in a browser."""

from __future__ import annotations

import os
import sys

import click

from nuages.cli.site import Site, url_of, with_site
from nuages.errors import UsageError


@click.command()
@click.argument("path", required=False, default="")
@with_site
def command(site: Site, path: str) -> None:
    """Open the site in the browser, and print its address. PATH: a page of it, as in nuages open admin/."""
    live = site.deployed()
    if not live.serving:
        raise UsageError("it is not running", hint="nuages start")
    url = url_of(live, site.topology) + path.lstrip("/")
    click.echo(url)
    if sys.platform != "linux" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        click.launch(url)
