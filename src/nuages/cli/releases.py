"""nuages releases: what has been live."""

from __future__ import annotations

import json

import click

from nuages.cli.console import table
from nuages.cli.site import Site, json_option, with_site


@click.command()
@json_option
@with_site
def command(site: Site, as_json: bool) -> None:
    """List the releases that are still on disk, newest first."""
    live = site.deployed()
    releases = sorted((r for r in live.numbered.values() if r["number"] <= live.number), key=lambda r: -r["number"])
    if as_json:
        click.echo(json.dumps([{**r, "live": r["number"] == live.number} for r in releases], indent=1))
        return
    rows = [
        (
            f"v{r['number']}" + (" *" if r["number"] == live.number else ""),
            (r.get("commit") or "")[:8] + ("+" if r.get("dirty") and r.get("commit") else "") or "working tree",
            r["build"],
            f"config v{r['config']}",
            r.get("at", "").replace("T", " ").replace("Z", ""),
            r.get("by", ""),
            r.get("why", ""),
        )
        for r in releases
    ]
    click.echo(table(rows, ("", "commit", "build", "", "when (UTC)", "by", "why")))
