"""nuages notify: who hears of deploys, and a trial."""

from __future__ import annotations

import click

from nuages.cli.site import Site, terminal, with_site
from nuages.engine.notify import Courier, address_of
from nuages.engine.notify_text import samples
from nuages.errors import UsageError
from nuages.settings.configuration import load_configuration


@click.group()
def command() -> None:
    """Who hears of deploys: webhooks and mail, as [notify] of nuages.toml says."""


@command.command()
@with_site
def show(site: Site) -> None:
    """Tell who hears of what. Addresses of webhooks are secrets and are not shown."""
    notify, config = site.topology.notify, load_configuration(site.live().config)
    for name in notify.webhook:
        click.echo(f"webhook {name}  {'is set' if address_of(name, config) else f'is not set: nuages config set {name}=...'}")
    for address in notify.mail:
        click.echo(f"mail    {address}")
    click.echo(f"of      {', '.join(notify.on) or 'nothing'}" if notify.webhook or notify.mail else "nobody is told of anything")


@command.command()
@with_site
def test(site: Site) -> None:
    """Send one message of each kind: a start, a success and a failure."""
    notify = site.topology.notify
    if not notify.webhook and not notify.mail:
        raise UsageError("nobody is declared to hear of deploys", where="notify", hint='[notify] mail = ["ops@shop.example"]')
    console = terminal(click.get_current_context())
    faults: list[str] = []

    def fault(line: str) -> None:
        faults.append(line)
        console.note(line)

    courier = Courier(site.topology, load_configuration(site.live().config), fault)
    for message in samples(site.topology.name, site.topology.environment):
        courier.send(message)
    courier.wait()
    wanted = 3 * (len(notify.webhook) + bool(notify.mail))
    click.echo(f"{wanted - len(faults)} of {wanted} messages were taken")
    click.get_current_context().exit(1 if faults else 0)
