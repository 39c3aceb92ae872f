"""nuages create: an app, as Heroku's users begin."""

from __future__ import annotations

from pathlib import Path

import click

from nuages.cli.git import remote_for
from nuages.cli.init import template
from nuages.cli.site import root_of
from nuages.errors import UsageError
from nuages.topology import load_topology
from nuages.topology.editing import declared, put
from nuages.topology.environments import PRODUCTION, current
from nuages.topology.loading import FILE, load_text, site_name


@click.command()
@click.argument("name", required=False)
@click.option("--host", "hosts", multiple=True, metavar="USER@ADDRESS", help="A server to deploy to; may be given several times.")
@click.option("--domain", "domains", multiple=True, metavar="NAME", help="A name under which people reach the site.")
@click.option("--ssh-config", default="", metavar="FILE", help="For ssh, in place of ~/.ssh/config.")
@click.option("-r", "--remote", default="", metavar="NAME", help="Of the git remote. Default: the environment's.")
@click.option("--no-remote", is_flag=True, help="Make no git remote.")
@click.pass_context
def command(
    ctx: click.Context,
    name: str | None,
    hosts: tuple[str, ...],
    domains: tuple[str, ...],
    ssh_config: str,
    remote: str,
    no_remote: bool,
) -> None:
    """Make the app: nuages.toml, or what it lacks, and a git remote for `git push production main`.

    With `-e staging` the environment and a remote called staging. Nothing is deployed yet.
    """
    root = root_of(ctx)
    environment = current()
    if name and site_name(name) != name:
        raise UsageError(f"{name!r}: use small letters, digits and hyphens", hint=f"nuages create {site_name(name)}")
    target = root / FILE
    before = target.read_text(encoding="utf-8") if target.is_file() else ""
    text = before or template(site_name(root.name))
    if environment != PRODUCTION and declared(text, ("env", environment)) is None:
        text = put(text, ("env", environment, "domains"), [])
    at = () if environment == PRODUCTION else ("env", environment)
    known = declared(before, (*at, "name"))
    if name and known not in (None, name):
        raise UsageError(f"its name is {known!r} already", where=str(target), hint="change it there, or leave NAME out")
    text = _with(text, at, name, hosts, domains, ssh_config)
    load_text(root, text, environment)
    _write(target, before, text)
    topology = load_topology(root)
    where = f"on {', '.join(host.address for host in topology.hosts)}" if topology.remote else "on this machine"
    click.echo(f"{click.style(topology.name, bold=True)} is an app {where}")
    made = "" if no_remote else remote_for(root, topology.environment, remote)
    click.echo(f"next: git push {made} main" if made else f"next: nuages {'deploy' if topology.remote else 'up'}")


def _with(
    text: str, at: tuple[str, ...], name: str | None, hosts: tuple[str, ...], domains: tuple[str, ...], ssh_config: str
) -> str:
    """Only what is missing."""
    if name:
        text = put(text, (*at, "name"), name)
    tables = dict(declared(text, (*at, "hosts")) or {})
    known_addresses = [table.get("address") for table in tables.values()]
    for address in (a for a in hosts if a not in known_addresses):
        key = next(f"web-{n}" for n in range(1, 1000) if f"web-{n}" not in tables)
        tables[key] = {"address": address, **({"ssh_config": ssh_config} if ssh_config else {})}
        for word, value in tables[key].items():
            text = put(text, (*at, "hosts", key, word), value)
    if domains:
        text = put(text, (*at, "domains"), list(dict.fromkeys([*(declared(text, (*at, "domains")) or ()), *domains])))
    return text


def _write(target: Path, before: str, text: str) -> None:
    if text == before:
        click.echo(f"{FILE} is there, and says it all")
        return
    target.write_text(text, encoding="utf-8")
    click.echo(f"{'added to' if before else 'wrote'} {target}")
