"""nuages backup now."""

from __future__ import annotations

import json
import os

import click

from nuages.cli.console import count
from nuages.cli.site import Site, json_option, terminal, with_site
from nuages.data.backups import keep_key, vault


@click.command("now")
@json_option
@with_site
def command(site: Site, as_json: bool) -> None:
    """Make a backup now: databases, uploads, configuration and the facts of the release. The site goes on meanwhile."""
    site.deployed()
    console = terminal(click.get_current_context(), as_json=as_json)
    with vault(site.topology, site.lead) as backups:
        status = backups.ask("run", console.progress, told=True)
        if not os.environ.get("CI"):
            keep_key(backups)  # it has met the place meanwhile, and knows its host
    console.clear()
    if as_json:
        click.echo(json.dumps({"event": "backed up", **status}))
        return
    new = f", {status['added'] / 1e6:.1f} MB of it new" if status.get("added") is not None else ""
    click.echo(
        f"{status['snapshot']}: {count(status['rows'], 'row')} and {count(status['files'], 'uploaded file')}, {status['seconds']} s{new}"
    )
    click.echo(f"at {status['to']}" + (click.style(", on the same machine as the site", fg="yellow") if status["here"] else ""))
