"""What replaces or removes data is meant: its target is named, and the name is typed, or --yes says so."""

from __future__ import annotations

import sys

import click

from nuages.cli.site import Site
from nuages.errors import UsageError


yes_option = click.option("-y", "--yes", is_flag=True, help="Don't ask.")


def target_of(site: Site) -> str:
    """As people know it: "shop-staging on web-1"."""
    return f"{site.topology.name} on {', '.join(host.name for host in site.hosts.all)}"


def meant(site: Site, what: str, *, yes: bool) -> None:
    """`what` says what happens to the target. Raises UsageError where nobody is here to ask, or the name is another."""
    name = site.topology.name
    if yes or (click.get_current_context().find_root().obj or {}).get("yes"):
        return
    click.echo(what, err=True)
    try:
        typed = click.prompt(f"Type the site's name ({name}) to go on", default="", show_default=False, err=True)
    except click.Abort:
        if sys.stdin.isatty():
            raise
        click.echo(err=True)
        hint = "--yes says that it is meant"
        raise UsageError("nobody is here to ask; nothing was changed", where=name, hint=hint) from None
    if not sys.stdin.isatty():
        click.echo(err=True)  # nobody's Return has ended that line
    if typed != name:
        raise UsageError(f"{typed!r} is not its name; nothing was changed" if typed else "nothing was changed", where=name)
