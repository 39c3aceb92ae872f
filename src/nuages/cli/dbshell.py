"""nuages dbshell: the database's own client."""

from __future__ import annotations

import click

from nuages.cli.inside import manage
from nuages.cli.site import Site, with_site


@click.command()
@click.option("--database", default="default", show_default=True, help="Alias in DATABASES.")
@with_site
def command(site: Site, database: str) -> None:
    """Open the database client on the live database."""
    manage(site, "dbshell", "--database", database)
