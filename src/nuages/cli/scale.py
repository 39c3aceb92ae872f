"""nuages scale: how many of each process."""

from __future__ import annotations

import json
import re

import click

from nuages.cli.change import apply_change
from nuages.cli.site import Site, json_option, with_site
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
    generation = live.supervisor.get("generations", {}).get(live.serving, {})
    if not wishes:
        known = dict.fromkeys(_names(site), 0)
        for process in generation.get("processes", []):
            name = re.sub(r"\.\d+$", "", process["name"])  # the second worker is worker.1
            known[name] = known.get(name, 0) + int(process.get("workers") or 1)
        click.echo(json.dumps(known) if as_json else "\n".join(f"{name}={number}" for name, number in known.items()))
        return
    scale = dict(_parse(wish) for wish in wishes)
    _check_names(site, scale)

    def change(config: Configuration) -> Configuration:
        return set_scale(config, scale)

    apply_change(site, change, "scale", as_json=as_json)


def _parse(wish: str) -> tuple[str, int]:
    name, equals, number = wish.partition("=")
    if not equals or not number.isdecimal() or int(number) > 512:  # noqa: PLR2004
        raise UsageError(f"{wish!r} is not NAME=NUMBER", hint="nuages scale web=4 worker=2")
    return name, int(number)


def _names(site: Site) -> list[str]:
    manifest = site.live().manifest or {"processes": []}
    return sorted({"web", *(p["name"] for p in manifest["processes"] if p["kind"] != "release")})


def _check_names(site: Site, scale: dict[str, int]) -> None:
    names = _names(site)
    unknown = sorted(set(scale) - set(names))
    if unknown:
        raise UsageError(f"there is no process called {', '.join(unknown)}", hint="known: " + ", ".join(names))
    if scale.get("web") == 0:
        raise UsageError(
            "web=0 would leave nobody to answer",
            hint="nuages down stops the site, nuages maintenance on shows a page",
        )
