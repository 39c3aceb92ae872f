"""nuages lab: real Debian hosts on this machine."""

from __future__ import annotations

import json
import os
import tomllib

import click

from nuages.cli.console import table
from nuages.errors import UsageError
from nuages.lab import Lab, LabHost, sshconfig


LAB = click.option("--lab", "lab_name", metavar="NAME", default="", help="Which lab, when there are several (or NUAGES_LAB).")
IMAGE = click.option("--image", type=click.Choice(["13", "12"]), default="13", help="Debian's version.")


@click.group(short_help="Real Debian hosts on this machine, to rehearse on.")
def command() -> None:
    """Boot real Debian hosts with systemd and sshd on this Linux machine (as root), and break them on purpose."""


@command.command(short_help="Boot hosts.")
@click.argument("names", nargs=-1)
@click.option("--from", "topology", type=click.Path(exists=True, dir_okay=False), help="The hosts that a nuages.toml names.")
@click.option("--disk", default="", metavar="SIZE", help="A disk of this size, in memory, that can be filled (2G).")
@IMAGE
@LAB
def up(names: tuple[str, ...], topology: str | None, disk: str, image: str, lab_name: str) -> None:
    """Boot hosts, and print the lines that a nuages.toml needs to reach them."""
    names = names + (declared(topology) if topology else ())
    if not names:
        raise UsageError("no host is named", hint="nuages lab up web-1 db-1, or --from nuages.toml")
    hosts = Lab(lab_name).up(*names, image=image, disk=disk, say=lambda line: click.echo(f"  {line}", err=True))
    click.echo(sshconfig.topology_lines([(host.name, host.address) for host in hosts], hosts[0].ssh_config), nl=False)


def declared(path: str) -> tuple[str, ...]:
    with open(path, "rb") as file:
        return tuple(tomllib.load(file).get("hosts", {}))


@command.command(short_help="Take hosts away.")
@click.argument("names", nargs=-1)
@LAB
def down(names: tuple[str, ...], lab_name: str) -> None:
    """Take these hosts away with their disks, or all of the lab."""
    gone = Lab(lab_name).down(*names)
    click.echo(f"gone: {', '.join(gone)}" if gone else "nothing was there")


@command.command(short_help="What is there.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@LAB
def status(as_json: bool, lab_name: str) -> None:
    """The hosts of the lab, and whether they answer."""
    rows = [_row(host) for host in Lab(lab_name).hosts]
    if as_json:
        click.echo(json.dumps({"hosts": rows}))
    elif rows:
        click.echo(table([tuple(row.values()) for row in rows], ("host", "address", "image", "state")))
    else:
        click.echo("no hosts")


def _row(host: LabHost) -> dict[str, str]:
    return {"host": host.name, "address": host.address, "image": f"Debian {host.record.image}", "state": host.state}


@command.command(short_help="A shell or a command on a host.", context_settings={"ignore_unknown_options": True})
@LAB
@click.argument("name")
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def ssh(lab_name: str, name: str, words: tuple[str, ...]) -> None:
    """Log in to a host as root (or USER@HOST), or run a command there."""
    host = Lab(lab_name).host(name.rpartition("@")[2])
    os.execvp("ssh", ["ssh", *host.ssh_options, name, *words])  # noqa: S606  ssh takes over this process and its terminal
