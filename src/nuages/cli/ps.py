"""nuages ps: the processes."""

from __future__ import annotations

import json

import click

from nuages.cli.site import Site, json_option, with_site
from nuages.cli.status import process_table


@click.command()
@json_option
@with_site
def command(site: Site, as_json: bool) -> None:
    """List the processes of every generation that runs."""
    site.deployed()
    sites = site.seats()
    found = {seat.live.host.name: dict(seat.live.supervisor.get("generations", {})) for seat in sites}
    if as_json:
        click.echo(json.dumps(found if len(sites) > 1 else next(iter(found.values())), indent=1))
        return
    if not any(found.values()):
        click.echo("nothing is running; nuages start")
    for host, generations in found.items():
        for name, generation in generations.items():
            title = f"{host} {name}" if len(sites) > 1 else name
            click.echo(f"{click.style(title, bold=True)}  {generation['state']}")
            click.echo(process_table(generation["processes"]))
