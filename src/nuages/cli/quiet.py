"""nuages quiet: no mail leaves a site, and nothing runs by the clock."""

from __future__ import annotations

import json

import click

from nuages.cli.change import apply_change
from nuages.cli.site import Site, json_option, with_site
from nuages.settings.configuration import load_configuration, set_quiet


@click.command()
@click.argument("wish", type=click.Choice(["on", "off", "status"]), default="status")
@json_option
@with_site
def command(site: Site, wish: str, as_json: bool) -> None:
    """Keep a site quiet: its mail goes into files, its scheduler and its jobs of the clock don't run. on, off or status.

    nuages db copy puts it on in the environment that it fills. Each change is a numbered release.
    """
    live = site.deployed()
    if wish == "status":
        quiet = load_configuration(live.config).quiet
        click.echo(json.dumps({"quiet": quiet}) if as_json else f"quiet is {'on' if quiet else 'off'}")
        return
    apply_change(site, lambda config: set_quiet(config, quiet=wish == "on"), f"quiet {wish}", as_json=as_json)
