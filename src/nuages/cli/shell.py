"""nuages shell: Django's shell in the live release."""

from __future__ import annotations

import click

from nuages.cli.inside import manage
from nuages.cli.site import Site, with_site


@click.command()
@with_site
def command(site: Site) -> None:
    """Open Django's shell with the live release's settings and data."""
    manage(site, "shell")
