"""nuages run: any command in the live release's environment."""

from __future__ import annotations

import click

from nuages.cli.inside import enter
from nuages.cli.site import Site, with_site


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("argv", nargs=-1, required=True, type=click.UNPROCESSED)
@with_site
def command(site: Site, argv: tuple[str, ...]) -> None:
    """Run a command with the live release's code, packages and configuration.

    One word that holds spaces is a line for the shell: nuages run "ls | wc -l".
    """
    enter(site, ("sh", "-c", argv[0]) if len(argv) == 1 and " " in argv[0].strip() else argv)
