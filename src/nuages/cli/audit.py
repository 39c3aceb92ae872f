"""nuages audit: who did what, when and from where."""

from __future__ import annotations

import json

import click

from nuages.cli.console import table
from nuages.cli.site import Site, json_option, with_site


@click.command()
@click.option("-n", "--lines", default=30, show_default=True, help="How many of the last entries.")
@json_option
@with_site
def command(site: Site, lines: int, as_json: bool) -> None:
    """List who held the site's lock: every change is made under it."""
    found = site.lead.read({"it": {"kind": "audit", "path": str(site.layout.audit), "limit": lines}})["it"]
    if as_json:
        click.echo("\n".join(json.dumps(entry) for entry in found))
        return
    if not found:
        click.echo("nothing has been done to this site yet")
        return
    click.echo(table([row(entry) for entry in found], ("when (UTC)", "who", "from", "what", "", "outcome", "reason")))


def row(entry: dict[str, str]) -> tuple[str, ...]:
    """`who` is the user of the machine `from`; the login on the server and the client's address follow them."""
    login = f" as {entry['as']}" if entry.get("as") else ""
    address = f" ({entry['from']})" if entry.get("from") else ""
    return (
        entry.get("at", "").replace("T", " ").replace("Z", ""),
        entry.get("who", "") + login,
        entry.get("host", "") + address,
        f"nuages {entry['what']}" if entry.get("what") else "",
        entry.get("event", "") + (f" (from {entry['held_by']})" if entry.get("held_by") else ""),
        entry.get("outcome", ""),
        entry.get("reason", ""),
    )
