"""nuages media: uploads, to this machine and from it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from nuages.cli.console import count
from nuages.cli.meant import meant, target_of, yes_option
from nuages.cli.site import Site, json_option, permitted, terminal, with_site
from nuages.data.hand import place_of
from nuages.data.media import Difference, difference, folder_here, uploads_of
from nuages.data.media import pull as bring
from nuages.data.media import push as send
from nuages.data.targets import site_here
from nuages.engine.lock import deploy_lock
from nuages.errors import UsageError


def options_of(way: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """What both ways have; `way` names the folder here."""
    kind = click.Path(file_okay=False, path_type=Path)
    folder = click.option(way, "folder", metavar="FOLDER", type=kind, help="Default: the site that lives here.")
    delete = click.option("--delete", is_flag=True, help="Also remove what only the target has.")

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        return folder(delete(yes_option(json_option(with_site(function)))))

    return add


@click.group()
def command() -> None:
    """The files that people uploaded: only what differs travels."""


@command.command("pull")
@options_of("--to")
def pull(site: Site, folder: Path | None, delete: bool, yes: bool, as_json: bool) -> None:
    """Bring the uploads of a site to this machine. They may be personal: they come as they are."""
    site.deployed()
    console = terminal(click.get_current_context(), as_json=as_json)
    target = _folder(site, folder, "--to")
    target.mkdir(parents=True, exist_ok=True)
    source = uploads_of(place_of(site.topology, site.lead))
    found = difference(source, folder_here(target))
    _announce(found, f"{target_of(site)} -> {target}", delete=delete, as_json=as_json)
    if (
        delete
        and found.gone
        and not yes
        and not click.confirm(f"Remove {count(len(found.gone), 'file')} from {target}?", err=True)
    ):
        raise UsageError("nothing was changed", where=str(target))
    bring(source, target, found, console.progress, delete=delete)
    console.clear()
    _tell("pulled", found, delete=delete, as_json=as_json)


@command.command("push")
@options_of("--from")
def push(site: Site, folder: Path | None, delete: bool, yes: bool, as_json: bool) -> None:
    """Send files of this machine into the uploads of a site. Files of the same name are replaced."""
    site.deployed()
    permitted(site)
    console = terminal(click.get_current_context(), as_json=as_json)
    source = _folder(site, folder, "--from")
    target = uploads_of(place_of(site.topology, site.lead))
    found = difference(folder_here(source), target)
    _announce(found, f"{source} -> {target_of(site)}", delete=delete, as_json=as_json)
    if found.paths or (delete and found.gone):
        removed = f" and removes {count(len(found.gone), 'file')}" if delete and found.gone else ""
        what = f"This adds {count(len(found.new), 'file')} to the uploads of {target_of(site)}, replaces {len(found.changed)}{removed}."
        meant(site, what, yes=yes)
        with deploy_lock(site.lead, site.layout, "media push", reason=str(source)):
            send(source, target, found, console.progress, delete=delete)
    console.clear()
    _tell("pushed", found, delete=delete, as_json=as_json)


def _folder(site: Site, folder: Path | None, option: str) -> Path:
    if folder:
        if option == "--from" and not folder.is_dir():
            raise UsageError("there is no such folder", where=str(folder))
        return folder.resolve()
    here = site_here(site.topology)
    if here is None or not site.topology.remote:
        raise UsageError("no site of this project lives on this machine", hint=f"{option} media")
    return here[1].layout.shared("media")


def _announce(found: Difference, where: str, *, delete: bool, as_json: bool) -> None:
    if not as_json:
        only = f", {len(found.gone)} only there{'' if delete else ' stay'}" if found.gone else ""
        click.echo(f"{where}: {len(found.new)} new, {len(found.changed)} changed, {found.bytes / 1e6:.1f} MB{only}", err=True)


def _tell(event: str, found: Difference, *, delete: bool, as_json: bool) -> None:
    gone = len(found.gone) if delete else 0
    if as_json:
        told = {"event": event, "new": len(found.new), "changed": len(found.changed), "deleted": gone, "bytes": found.bytes}
        click.echo(json.dumps(told))
    elif not found.paths and not gone:
        click.echo("nothing to do: they are the same")
    else:
        click.echo(
            f"{event} {count(len(found.paths), 'file')}, {found.bytes / 1e6:.1f} MB" + (f"; {gone} removed" if gone else "")
        )
