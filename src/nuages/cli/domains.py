"""nuages domains: the names under which people reach the site."""

from __future__ import annotations

import ipaddress
import json
import socket

import click

from nuages.cli.console import table
from nuages.cli.declare import declare
from nuages.cli.site import Site, json_option, with_site
from nuages.errors import UsageError
from nuages.topology.loading import load_text


@click.group(invoke_without_command=True)
@json_option
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """The names under which people reach the site. Alone: list them, with what DNS says."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(listing, as_json=as_json)


@command.command("list")
@json_option
@with_site
def listing(site: Site, as_json: bool) -> None:
    """List them, with what DNS says and should say."""
    wanted = addresses_of(site)
    rows = [(name, said_by_dns(name)) for name in site.topology.domains]
    if as_json:
        told = [
            {"name": name, "dns": list(said), "hosts": list(wanted), "ready": bool(set(said) & set(wanted))}
            for name, said in rows
        ]
        click.echo(json.dumps(told, indent=1))
        return
    if not rows:
        click.echo(f"no domain yet; the site answers at {' and '.join(wanted) or 'localhost'}; nuages domains add shop.example")
        return
    click.echo(
        table([(name, " ".join(said) or "nothing", _verdict(said, wanted)) for name, said in rows], ("name", "DNS says", ""))
    )


def _verdict(said: tuple[str, ...], wanted: tuple[str, ...]) -> str:
    if not wanted:
        return "this machine: a proxy in front answers for it"
    if set(said) & set(wanted):
        return "points here"
    return f"should say {' '.join(wanted)}"


@command.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@json_option
@with_site
def add(site: Site, names: tuple[str, ...], as_json: bool) -> None:
    """Add names: in nuages.toml, then on the servers; says what DNS must say."""
    known = site.topology.domains
    new = tuple(dict.fromkeys(name.lower().rstrip(".") for name in names))
    there = [name for name in new if name in known]
    if there:
        raise UsageError(f"{', '.join(there)} is there already", hint="`nuages domains` lists them")
    load_text(site.topology.root, f"domains = {json.dumps(list(new))}")  # what is no domain is told before anything else
    if _declared(site, (*known, *new), "domains add", as_json=as_json):
        for line in records(new, addresses_of(site)):
            click.echo(line)


@command.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@json_option
@with_site
def remove(site: Site, names: tuple[str, ...], as_json: bool) -> None:
    """Remove names: from nuages.toml, then from the servers."""
    gone = [name.lower().rstrip(".") for name in names]
    absent = [name for name in gone if name not in site.topology.domains]
    if absent:
        raise UsageError(f"{', '.join(absent)} is no domain of {site.topology.name}", hint="`nuages domains` lists them")
    _declared(site, tuple(name for name in site.topology.domains if name not in gone), "domains remove", as_json=as_json)


def _declared(site: Site, domains: tuple[str, ...], what: str, *, as_json: bool) -> bool:
    changes: dict[tuple[str, ...], list[str]] = {("domains",): list(domains)}
    return declare(site, changes, what, source="live", overrides={"domains": domains}, as_json=as_json)


def records(names: tuple[str, ...], addresses: tuple[str, ...]) -> list[str]:
    """What the zone must hold, as a zone file has it."""
    if not addresses:
        return ["a proxy in front of this machine must answer for " + ", ".join(names)]
    width = max(map(len, names)) + 1
    lines = [
        f"  {name + '.':<{width}}  {'AAAA' if ':' in address else 'A'}  {address}" for name in names for address in addresses
    ]
    return ["DNS must say:", *lines]


def addresses_of(site: Site) -> tuple[str, ...]:
    """Of the servers, as the world sees them: what nuages.toml calls them where that is an address, else their own."""
    found: list[str] = []
    for seat, host in zip(site.seats(), site.topology.hosts, strict=False):
        if _is_address(host.address):
            found.append(host.address)
        else:
            own = seat.live.web.addresses if seat.live.web else ()
            found += [address for address in own if ipaddress.ip_address(address).is_global] or said_by_dns(host.address)
    return tuple(dict.fromkeys(found))


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def said_by_dns(name: str) -> tuple[str, ...]:
    try:
        found = socket.getaddrinfo(name.removeprefix("*."), None, proto=socket.IPPROTO_TCP)
    except (OSError, UnicodeError):
        return ()
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))
