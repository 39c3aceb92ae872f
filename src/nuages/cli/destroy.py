"""nuages destroy: the site and everything of it."""

from __future__ import annotations

import shutil

import click

from nuages.cli.down import stop
from nuages.cli.site import Site, with_site
from nuages.errors import UsageError


@click.command()
@click.option("--yes", "name", metavar="NAME", help="Don't ask; the site's name shows that it is meant.")
@click.option("--keep-data", is_flag=True, help="Leave the database, the uploaded files, the snapshots and the configuration.")
@with_site
def command(site: Site, name: str | None, keep_data: bool) -> None:
    """Remove the site from this machine, with its database and uploads. Asks."""
    live = site.live()
    if not live.site and not live.config:
        raise UsageError(f"there is no site called {site.topology.name} here")
    if name is None:
        click.echo(f"This removes {site.layout.dir}" + ("" if keep_data else ", with its database and uploaded files"))
        name = click.prompt(f"Type the site's name ({site.topology.name}) to go on", default="", show_default=False)
    if name != site.topology.name:
        raise UsageError(f"{name!r} is not its name; nothing was removed")
    stop(site)
    if keep_data:
        for entry in site.layout.dir.iterdir():
            if entry.name not in ("shared", "snapshots", "config"):
                shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
    else:
        shutil.rmtree(site.layout.dir)
    click.echo(f"{site.topology.name} is gone" + (f"; its data stays in {site.layout.dir}" if keep_data else ""))
