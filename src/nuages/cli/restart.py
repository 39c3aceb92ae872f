"""nuages restart: the same release in new processes."""

from __future__ import annotations

import click

from nuages.cli.console import count
from nuages.cli.site import Site, json_option, permitted, root_of, terminal, url_of, with_site
from nuages.deploy import deploy
from nuages.engine.request import Request
from nuages.engine.restarting import restart_processes


@click.command()
@click.argument("name", required=False)
@json_option
@with_site
def command(site: Site, name: str | None, as_json: bool) -> None:
    """Start the live release anew beside itself and move the traffic, without losing a request.

    NAME: of one background process, worker or worker.1, which is ended and begun again where it is.
    """
    ctx = click.get_current_context()
    site.deployed()
    if name and name.partition(".")[0] != "web":
        permitted(site)
        number = restart_processes(site.seats(), site.topology, name)
        click.echo(f'{{"event": "restarted", "processes": {number}}}' if as_json else f"{count(number, 'process')} begun again")
        return
    deploy(Request(root=root_of(ctx), what="restart", source="live", force=True), terminal(ctx, as_json=as_json))
    live = site.live()
    if not as_json:
        click.echo(f"v{live.number} is live at {url_of(live, site.topology)}: in new processes")
