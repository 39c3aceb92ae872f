"""nuages db drop: dumps and replaced databases go for good."""

from __future__ import annotations

import json

import click

from nuages.cli.meant import meant, target_of, yes_option
from nuages.cli.site import Site, json_option, permitted, terminal, with_site
from nuages.data.hand import laid, place_of
from nuages.data.restore import drop_steps
from nuages.engine.lock import deploy_lock
from nuages.errors import UsageError


@click.command("drop")
@click.argument("names", nargs=-1, required=True, metavar="ID...")
@click.option("--database", "alias", default="default", show_default=True, help="Alias in DATABASES.")
@yes_option
@json_option
@with_site
def command(site: Site, names: tuple[str, ...], alias: str, yes: bool, as_json: bool) -> None:
    """Remove dumps and replaced databases of nuages db list. The live database is never dropped."""
    site.deployed()
    permitted(site)
    console = terminal(click.get_current_context(), as_json=as_json)
    place = place_of(site.topology, site.lead, alias)
    with laid(place) as hand:
        told = hand.ask("list")
        dumps, kept = {row["id"] for row in told["dumps"]}, {row["name"] for row in told["kept"]}
        unknown = [name for name in names if name not in dumps | kept]
        if unknown:
            hint = "kept: " + (", ".join(sorted(dumps | kept)) or "nothing")
            raise UsageError(f"there is no {', '.join(unknown)}", hint=hint)
        meant(site, f"This removes {', '.join(names)} of {target_of(site)} for good.", yes=yes)
        paths = [f"{place.dumps}/{name}.tar" for name in names if name in dumps]
        steps = (
            [hand.step("-", "dumps " + ", ".join(n for n in names if n in dumps), {"op": "remove", "paths": paths})]
            if paths
            else []
        )
        with deploy_lock(site.lead, site.layout, "db drop", reason=", ".join(names)) as token:
            hand.carry_out([*steps, *drop_steps(hand, [n for n in names if n in kept])], token, console.step)
    if as_json:
        click.echo(json.dumps({"event": "dropped", "names": list(names)}))
