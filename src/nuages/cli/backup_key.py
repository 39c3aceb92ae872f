"""nuages backup key: without it nobody reads the backups."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click

from nuages.cli.site import Site, json_option, with_site
from nuages.components.backup.restic import is_here, place_of
from nuages.data.backups import ask_key, keep_key, key_path, read_key, vault
from nuages.errors import NuagesError


@click.command("key")
@click.option("--show", is_flag=True, help="Print it, for a password manager or for CI.")
@json_option
@with_site
def command(site: Site, show: bool, as_json: bool) -> None:
    """Keep the key of the backups on this machine too, and say where; or print it."""
    with vault(site.topology, site.lead) as backups:
        if show:
            click.echo(json.dumps(ask_key(backups), indent=None if as_json else 1))
            return
        path, new = keep_key(backups)
    if as_json:
        click.echo(json.dumps({"event": "key", "path": str(path), "new": new}))
        return
    click.echo(f"the key is {'now' if new else 'already'} in {path}")
    click.echo("put a copy where you keep passwords: without it, and without the server, nobody reads the backups")


def after_deploy(site: Site, *, quiet: bool) -> None:
    """The first deploy from a machine keeps the key there, and says so. A CI runner's disk is no place for it."""
    topology = site.topology
    path = key_path(topology.name)
    if not topology.remote or topology.backups.engine == "none" or _is_kept(site, path):
        return
    if os.environ.get("CI"):
        _say("the key of its backups is on the server only: nuages backup key, on a machine of yours", quiet=quiet)
        return
    try:
        with vault(topology, site.lead) as backups:
            keep_key(backups)
    except NuagesError as error:
        _say(f"the key of its backups could not be kept here ({error.what}): nuages backup key", quiet=quiet)
        return
    _say(f"backups: every night at {topology.backups.at}; their key is kept in {path} too", quiet=quiet)
    if is_here(topology):
        _say("backups lie on the server itself, and go with it: [backups] to = sends them elsewhere", quiet=quiet, fg="yellow")


def _is_kept(site: Site, path: Path) -> bool:
    """Of the place where backups go now: another one has another way in."""
    try:
        return bool(read_key(path)["repository"] == place_of(site.topology, site.layout))
    except NuagesError:
        return False


def _say(text: str, *, quiet: bool, fg: str = "") -> None:
    if not quiet:
        click.echo(click.style(text, fg=fg or None, dim=not fg))
