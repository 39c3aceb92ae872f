"""nuages lab: real Debian hosts on this machine."""

from __future__ import annotations

import functools
import json
import os
import tomllib
from collections.abc import Callable
from typing import Any

import click

from nuages.cli.console import table
from nuages.errors import UsageError
from nuages.lab import Lab, LabHost, faults, sshconfig, store
from nuages.lab import image as images
from nuages.lab.faults import Fault
from nuages.lab.lab import NEWEST
from nuages.lab.requirements import require


LAB = click.option("--lab", "lab_name", metavar="NAME", default="", help="Which lab, when there are several (or NUAGES_LAB).")
IMAGE = click.option("--image", type=click.Choice(["13", "12"]), help="Debian's version; 13 where none is said.")


@click.group(short_help="Real Debian hosts on this machine, to rehearse on.")
def command() -> None:
    """Boot real Debian hosts with systemd and sshd on this Linux machine (as root), and break them on purpose."""


@command.command(short_help="Boot hosts.")
@click.argument("names", nargs=-1)
@click.option("--from", "topology", type=click.Path(exists=True, dir_okay=False), help="The hosts that a nuages.toml names.")
@click.option("--disk", default="", metavar="SIZE", help="A disk of this size, in memory, that can be filled (2G).")
@IMAGE
@LAB
def up(names: tuple[str, ...], topology: str | None, disk: str, image: str | None, lab_name: str) -> None:
    """Boot hosts, and print the lines that a nuages.toml needs to reach them."""
    names = names + (declared(topology) if topology else ())
    if not names:
        raise UsageError("no host is named", hint="nuages lab up web-1 db-1, or --from nuages.toml")
    hosts = standing(lab_name).up(*names, image=image or "", disk=disk, say=lambda line: click.echo(f"  {line}", err=True))
    click.echo(sshconfig.topology_lines([(host.name, host.address) for host in hosts], hosts[0].ssh_config), nl=False)


def standing(name: str) -> Lab:
    """The lab of this name, where there can be one."""
    require()
    return Lab(name)


def declared(path: str) -> tuple[str, ...]:
    with open(path, "rb") as file:
        return tuple(tomllib.load(file).get("hosts", {}))


@command.command(short_help="Take hosts away.")
@click.argument("names", nargs=-1)
@LAB
def down(names: tuple[str, ...], lab_name: str) -> None:
    """Take these hosts away with their disks, or all of the lab."""
    gone = standing(lab_name).down(*names)
    click.echo(f"gone: {', '.join(gone)}" if gone else "nothing was there")


@command.command(short_help="What is there.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@LAB
def status(as_json: bool, lab_name: str) -> None:
    """The hosts of the lab, and whether they answer."""
    rows = [_row(host) for host in standing(lab_name).hosts]
    if as_json:
        click.echo(json.dumps({"hosts": rows}))
    elif rows:
        click.echo(table([tuple(row.values()) for row in rows], ("host", "address", "image", "state")))
    else:
        click.echo("no hosts")
    others = [lab for lab in store.labs() if lab.name != standing(lab_name).name]
    for lab in others if not as_json else ():
        click.echo(f"another lab: {lab.name} ({', '.join(host.name for host in store.hosts(lab.name))})")


def _row(host: LabHost) -> dict[str, str]:
    return {"host": host.name, "address": host.address, "image": f"Debian {host.record.image}", "state": host.state}


@command.command(short_help="A shell or a command on a host.", context_settings={"ignore_unknown_options": True})
@LAB
@click.argument("name")
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def ssh(lab_name: str, name: str, words: tuple[str, ...]) -> None:
    """Log in to a host as root (or USER@HOST), or run a command there."""
    host = standing(lab_name).host(name.rpartition("@")[2])
    os.execvp("ssh", ["ssh", *host.ssh_options, name, *words])  # noqa: S606  ssh takes over this process and its terminal


@command.group(short_help="Break a host on purpose.")
@LAB
@click.argument("host")
@click.pass_context
def fault(ctx: click.Context, lab_name: str, host: str) -> None:
    """Break a host on purpose, and undo it: kill, hang, power-off, freeze, cut, fill-disk, memory, cpu, bandwidth, clock."""
    ctx.obj = standing(lab_name).host(host)


def _verb(name: str, made: Callable[..., Fault], *parameters: Callable[[Any], Any]) -> None:
    """A word of `lab fault HOST`; its help is the first sentence about the value that it makes."""

    @click.pass_obj
    def callback(host: LabHost, /, **words: Any) -> None:
        host.fault(made(**words))

    help_ = (made.__doc__ or "").strip()
    told = functools.reduce(lambda function, parameter: parameter(function), parameters, callback)
    fault.command(name, short_help=help_.split(". ")[0].replace("\n", " "), help=help_)(told)


PROCESS = click.argument("process")
_verb("kill", faults.Kill, PROCESS)
_verb("hang", faults.Hang, PROCESS)
_verb("resume", faults.Resume, PROCESS)
_verb("power-off", faults.PowerOff)
_verb("power-on", faults.PowerOn)
_verb("reboot", faults.Reboot)
_verb("freeze", faults.Freeze)
_verb("thaw", faults.Thaw)
_verb(
    "cut",
    faults.Cut,
    click.option("--one-way", default="", metavar="in|out", help="Only what it hears, or only what it says."),
    click.option("--loss", type=click.IntRange(1, 100), default=100, metavar="PERCENT", help="Lose some packets, not all."),
    click.option("--peer", default="", metavar="HOST", help="Cut it off from this host only."),
)
_verb("heal", faults.Heal)
_verb("fill-disk", faults.fill_disk, click.option("--leave", default="0", metavar="SIZE", help="How much stays free (10M)."))
_verb("free-disk", faults.FreeDisk)
_verb("memory", faults.memory, click.argument("text", metavar="SIZE|off"))
_verb("cpu", faults.cpu, click.argument("text", metavar="PERCENT|off"))
_verb("bandwidth", faults.bandwidth, click.argument("text", metavar="RATE|off"))
_verb("clock", faults.clock, click.argument("unit"), click.argument("offset", metavar="OFFSET|off"))


@command.command(short_help="Images: build, fetch packages for, remove.")
@click.argument("action", type=click.Choice(["list", "build", "remove"]), default="list")
@click.option(
    "--with", "packages", metavar="NAME,NAME", default="", help="Fetch these packages, so that hosts install from disk."
)
@IMAGE
def image(action: str, packages: str, image: str | None) -> None:
    """List the images; build one (once, about a minute) and fetch packages for its hosts; remove one and its packages."""
    require()
    if action == "build":
        images.ensure(image or NEWEST, lambda line: click.echo(f"  {line}", err=True))
        if packages:
            images.fetch(image or NEWEST, packages.replace(",", " ").split())
    elif action == "remove":
        images.remove(image or NEWEST)
    for line in images.describe():
        click.echo(line)
