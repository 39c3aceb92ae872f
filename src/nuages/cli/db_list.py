"""nuages db list: dumps on the host, databases that were replaced, snapshots of deploys."""

from __future__ import annotations

import json
from typing import Any

import click

from nuages.cli.site import Site, json_option, with_site
from nuages.data.hand import laid, place_of


@click.command("list")
@click.option("--database", "alias", default="default", show_default=True, help="Alias in DATABASES.")
@json_option
@with_site
def command(site: Site, alias: str, as_json: bool) -> None:
    """What is kept of the database on the host. Scheduled backups: nuages backup."""
    site.deployed()
    with laid(place_of(site.topology, site.lead, alias)) as hand:
        told = hand.ask("list")
    if as_json:
        click.echo(json.dumps(told))
        return
    for title, rows in _parts(told):
        if rows:
            click.echo(title)
            for name, size, more in rows:
                click.echo(f"  {name:<40} {size / 1e6:>9.1f} MB  {more}".rstrip())
    if not any(rows for _title, rows in _parts(told)):
        click.echo("nothing is kept here: nuages db backup; scheduled backups: nuages backup")


def _parts(told: dict[str, Any]) -> list[tuple[str, list[tuple[str, int, str]]]]:
    return [
        ("dumps (nuages db restore ID)", [(row["id"], row["bytes"], _about(row["manifest"])) for row in told["dumps"]]),
        (
            "databases that were replaced (nuages db restore --undo ID, nuages db drop ID)",
            [(row["name"], row["bytes"], "left over: drop it" if row["scratch"] else "") for row in told["kept"]],
        ),
        (
            "snapshots of deploys, before a migration that can't be taken back (nuages db restore ID)",
            [(r["id"], r["bytes"], "") for r in told["snapshots"]],
        ),
    ]


def _about(manifest: dict[str, Any] | None) -> str:
    if not manifest:
        return "unreadable"
    scrubbed = ", scrubbed" if manifest.get("scrubbed") else ""
    return f"{manifest['engine']} {str(manifest['version']).split(' ')[0]}, {manifest['rows']} rows, {manifest['at']}{scrubbed}"
