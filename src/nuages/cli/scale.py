"""nuages scale: how many of each process."""

from __future__ import annotations

import json

import click

from nuages.cli.change import apply_change
from nuages.cli.site import Site, json_option, with_site
from nuages.engine.scaling import MOST, check_scale, scaled
from nuages.errors import UsageError
from nuages.settings.configuration import Configuration, set_scale


@click.command()
@click.argument("wishes", nargs=-1, metavar="[NAME=NUMBER]...")
@json_option
@with_site
def command(site: Site, wishes: tuple[str, ...], as_json: bool) -> None:
    """Show or set how many of each process run: nuages scale web=4 worker=2.

    For web the number is of worker processes. Each change is a numbered release.
    """
    live = site.deployed()
    if not wishes:
        known = scaled(live)
        click.echo(json.dumps(known) if as_json else "\n".join(f"{name}={number}" for name, number in known.items()))
        return
    scale = dict(_parse(wish) for wish in wishes)
    check_scale(live, scale)

    def change(config: Configuration) -> Configuration:
        return set_scale(config, scale)

    apply_change(site, change, "scale", as_json=as_json)


def _parse(wish: str) -> tuple[str, int]:
    name, equals, number = wish.partition("=")
    if not equals or not number.isdecimal() or int(number) > MOST:
        raise UsageError(f"{wish!r} is not NAME=NUMBER", hint="nuages scale web=4 worker=2")
    return name, int(number)
