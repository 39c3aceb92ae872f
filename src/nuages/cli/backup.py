"""nuages backup: what is copied every night to another place, and back from there."""

from __future__ import annotations

import importlib
import json
from typing import Any

import click

from nuages.cli.site import Site, json_option, with_site
from nuages.data.backups import key_path, vault


WORDS = {
    "now": "backup_now",
    "verify": "backup_verify",
    "restore": "backup_restore",
    "key": "backup_key",
    "access": "backup_access",
}


class Words(click.Group):
    """Loads a word's module when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return ["list", *WORDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name == "list":
            return listing
        if cmd_name not in WORDS:
            return None
        found: click.Command = importlib.import_module(f"nuages.cli.{WORDS[cmd_name]}").command
        return found


@click.group(cls=Words, invoke_without_command=True)
@json_option
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """The site's scheduled backups. Alone: list them, and how the last one ended."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(listing, as_json=as_json)


@click.command("list")
@json_option
@with_site
def listing(site: Site, as_json: bool) -> None:
    """List the backups, and how the last run and the last verify ended."""
    with vault(site.topology, site.lead) as backups:
        told = backups.ask("list")
    if as_json:
        click.echo(json.dumps(told))
        return
    for one in told["snapshots"]:
        size = f"{one['bytes'] / 1e6:>10.1f} MB" if one.get("bytes") is not None else ""
        click.echo(f"  {one['id']}  {one['at']}{size}")
    if not told["snapshots"]:
        click.echo("there is no backup yet: nuages backup now")
    _tell_place(site, told)
    _tell_status(told["status"])


def _tell_place(site: Site, told: dict[str, Any]) -> None:
    when = f"every night at {site.topology.backups.at}" if site.topology.remote else "when you say: nuages backup now"
    click.echo(f"to {told['to']}, {when}")
    if told["here"]:
        what = "they are on the same machine as the site, and go with it: [backups] to = sends them elsewhere"
        click.echo(click.style(what, fg="yellow"))
    path = key_path(site.topology.name)
    where = str(path) if path.exists() else "not kept on this machine: nuages backup key"
    click.echo(click.style(f"their key: {where}", dim=path.exists(), fg=None if path.exists() else "yellow"))


def _tell_status(status: dict[str, Any]) -> None:
    if status.get("began"):
        click.echo(click.style(f"one began at {status['began']}: it runs, or was cut off", fg="yellow"))
    if status and not status.get("ok", True):
        click.echo(click.style(f"the last one failed, {status['at']}: {status['what']}", fg="red"))
        for line in filter(None, (status.get("detail"), status.get("hint"))):
            click.echo(click.style(f"  {line}", dim=True))
    verified = status.get("verified")
    if verified:
        how = "was whole" if verified["ok"] else "was NOT whole: " + "; ".join(verified["wrong"][:3])
        click.echo(f"verified {verified['at']}: {verified['snapshot']} {how}")
    elif status:
        click.echo("none was verified yet: nuages backup verify")
