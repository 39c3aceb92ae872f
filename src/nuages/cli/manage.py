"""nuages manage: manage.py of the live release."""

from __future__ import annotations

import click

from nuages.cli.inside import manage
from nuages.cli.site import Site, with_site


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
@with_site
def command(site: Site, words: tuple[str, ...]) -> None:
    """Run a manage.py command in the live release: nuages manage createsuperuser."""
    manage(site, *words)
