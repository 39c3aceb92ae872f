"""nuages backup verify: a backup is one when it has been restored."""

from __future__ import annotations

import json

import click

from nuages.cli.site import Site, json_option, terminal, with_site
from nuages.data.backups import vault


@click.command("verify")
@json_option
@with_site
def command(site: Site, as_json: bool) -> None:
    """Restore the newest backup beside the live site, look at it as the live release does, and leave nothing.

    The rows of every table, sequences and migrations; a row of every model read by the release's own code; uploaded files by
    their digest. Ends with 1 where something is not as it was.
    """
    site.deployed()
    console = terminal(click.get_current_context(), as_json=as_json)
    with vault(site.topology, site.lead) as backups:
        verified = backups.ask("verify", console.progress)["verified"]
    console.clear()
    if as_json:
        click.echo(json.dumps({"event": "verified", **verified}))
        return
    click.echo(f"{verified['snapshot']} of {verified['of']} is whole, {verified['seconds']} s")
    for line in verified["found"]:
        click.echo(f"  {line}")
