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
    generations = site.deployed().supervisor.get("generations", {})
    if as_json:
        click.echo(json.dumps(generations, indent=1))
        return
    if not generations:
        click.echo("nothing is running; nuages start")
    for name, generation in generations.items():
        click.echo(f"{click.style(name, bold=True)}  {generation['state']}")
        click.echo(process_table(generation["processes"]))
