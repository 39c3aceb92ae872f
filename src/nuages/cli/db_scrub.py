"""nuages db scrub: what a pull would change, and what looks personal and would leave as it is."""

from __future__ import annotations

import json
from typing import Any

import click

from nuages.cli.console import count
from nuages.cli.site import Site, json_option, with_site
from nuages.data.hand import laid, place_of
from nuages.data.scrub import Intent, look, summary, warnings
from nuages.data.scrub_rules import make_scrub


@click.command("scrub", short_help="What a pull changes, and what looks personal besides.")
@click.option("--database", "alias", default="default", show_default=True, help="Alias in DATABASES.")
@json_option
@with_site
def command(site: Site, alias: str, as_json: bool) -> None:
    """Show the rules of db pull and db copy: those of [scrub] in nuages.toml, over those for Django and well-known apps.

    Columns that look personal and have no rule are listed with one that would fit. Nothing is changed.
    """
    site.deployed()
    with laid(place_of(site.topology, site.lead, alias)) as hand:
        told = look(hand)
    intent = Intent(told, make_scrub(told, site.topology.scrub))
    if as_json:
        click.echo(json.dumps(as_dict(intent)))
        return
    click.echo("\n".join(summary(intent)) or "nothing is scrubbed")
    warn(intent)


def as_dict(intent: Intent) -> dict[str, Any]:
    plan = intent.plan
    return {
        "columns": {f"{c.table}.{c.name}": str(c.rule) for c in plan.columns},
        "emptied": list(plan.emptied),
        "suspects": dict(plan.suspects),
        "unknown_tables": list(plan.unknown),
    }


def warn(intent: Intent) -> None:
    """To standard error: what a person should decide about."""
    found = warnings(intent)
    if found:
        many = count(len(intent.plan.suspects), "undeclared column")
        click.echo(
            click.style(f"{many} may be personal, and would leave unchanged. These rules would fit:", fg="yellow"), err=True
        )
        click.echo("  [scrub]", err=True)
        for line in found:
            click.echo(f"  {line}", err=True)
