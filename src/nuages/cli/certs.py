"""nuages certs: the certificates of a site on servers."""

from __future__ import annotations

import json
import time
from dataclasses import asdict

import click

from nuages.cli.console import count, table
from nuages.cli.site import Site, json_option, with_site
from nuages.components.certificates.seen import authority_path
from nuages.components.web import decide
from nuages.engine.model import Seat
from nuages.engine.readying import settle_topology
from nuages.errors import UsageError


DAY = 86400


@click.group(invoke_without_command=True)
@json_option
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """Certificates of the site on its servers: names, who signed them, days left. Alone: list them."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(listing, as_json=as_json)


@click.command("list")
@json_option
@with_site
def listing(site: Site, as_json: bool) -> None:
    """List them."""
    sites = _on_servers(site)
    if as_json:
        click.echo(json.dumps({seat.live.host.name: asdict(seat.live.web) for seat in sites if seat.live.web}, indent=1))
        return
    topology = settle_topology(site.topology, sites)
    rows, notes = [], []
    for seat, host in zip(sites, topology.hosts, strict=True):
        if seat.live.web:
            decision = decide(topology, host, seat.live.web)
            rows.append(_row(seat))
            notes += [note for note in (decision.certificate.note, *decision.notes) if note]
    if topology.domains or any(seat.live.web and not seat.live.web.served.problem for seat in sites):
        click.echo(table(rows, ("host", "names", "signed by", "ends")))
    for note in dict.fromkeys(notes):
        click.echo(click.style(note, dim=True))


def _row(seat: Seat) -> tuple[str, ...]:
    assert seat.live.web  # noqa: S101
    pair, now = seat.live.web.served, seat.live.web.now
    if pair.problem:
        return seat.live.host.name, pair.problem, "", ""
    ends = time.strftime("%Y-%m-%d", time.gmtime(pair.not_after))
    return (
        seat.live.host.name,
        " ".join(pair.names),
        pair.issuer,
        f"{ends}, in {count(int((pair.not_after - now) // DAY), 'day')}",
    )


@command.command()
@with_site
def ca(site: Site) -> None:
    """Print the certificate of the site's own authority, for those who shall trust it."""
    seat = _on_servers(site)[0]
    path = str(authority_path(seat.live.layout))
    text = seat.transport.read({"ca": {"kind": "text", "path": path}})["ca"]
    if not text:
        raise UsageError("this site has no authority of its own", hint='[tls] certificate = "local-ca"')
    click.echo(text, nl=False)


def _on_servers(site: Site) -> tuple[Seat, ...]:
    if not site.topology.remote:
        raise UsageError("this site lives on this machine, where TLS is left to a proxy in front")
    return site.seats()


command.add_command(listing)
