"""nuages down: everything of the site ends; nothing of it is lost."""

from __future__ import annotations

import click

from nuages.cli.site import Site, permitted, with_site
from nuages.components.registry import supervisor
from nuages.engine.lock import deploy_lock
from nuages.hosts import together


@click.command()
@with_site
def command(site: Site) -> None:
    """Stop the site. Releases, configuration and data stay; `nuages start` brings it back."""
    live = site.live()
    if not live.supervisor:
        click.echo(f"{site.topology.name} is not running")
        return
    permitted(site)
    stop(site)
    click.echo(f"{site.topology.name} is stopped; `nuages start` brings it back as it was")


def stop(site: Site) -> None:
    """Drain and end every process, bounded."""
    running = [seat for seat in site.seats() if seat.live.supervisor]
    if not running:
        return
    machines = {seat.transport.name: seat.live.machine for seat in running}
    ask, bound = supervisor(site.topology.supervisor).ask, site.topology.drain + 60
    with deploy_lock(site.lead, site.layout, "down"):
        together(
            [seat.transport for seat in running],
            lambda host: host.check(ask(site.layout, machines[host.name], "down", timeout=bound)),
        )
