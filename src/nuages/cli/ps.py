"""nuages ps: the processes."""

from __future__ import annotations

import json

import click

from nuages.cli import restart, scale
from nuages.cli.change import apply_change
from nuages.cli.site import Site, json_option, with_site
from nuages.cli.status import process_table
from nuages.engine.scaling import check_scale
from nuages.errors import UsageError
from nuages.settings.configuration import set_scale


@click.group(invoke_without_command=True)
@json_option
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """The processes of every generation that runs. Alone: list them."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(listing, as_json=as_json)


@command.command("list")
@json_option
@with_site
def listing(site: Site, as_json: bool) -> None:
    """List them."""
    site.deployed()
    sites = site.seats()
    found = {seat.live.host.name: dict(seat.live.supervisor.get("generations", {})) for seat in sites}
    if as_json:
        click.echo(json.dumps(found if len(sites) > 1 else next(iter(found.values())), indent=1))
        return
    if not any(found.values()):
        click.echo("nothing is running; nuages start")
    for host, generations in found.items():
        for name, generation in generations.items():
            title = f"{host} {name}" if len(sites) > 1 else name
            click.echo(f"{click.style(title, bold=True)}  {generation['state']}")
            click.echo(process_table(generation["processes"]))


@command.command()
@click.argument("name")
@json_option
@with_site
def stop(site: Site, name: str, as_json: bool) -> None:
    """Run none of a background process, through deploys and reboots, until it is scaled up again."""
    if name == "web":
        raise UsageError("without web nobody answers", hint="nuages down stops the site; nuages maintenance on shows a page")
    check_scale(site.deployed(), {name: 0})
    apply_change(site, lambda config: set_scale(config, {name: 0}), "ps stop", as_json=as_json)
    if not as_json:
        click.echo(f"nuages ps:scale {name}=1 brings it back")


command.add_command(scale.command, "scale")
command.add_command(restart.command, "restart")
