"""nuages backup access: the keys of a bucket, for the backups alone."""

from __future__ import annotations

import json
import os

import click

from nuages.cli.site import Site, json_option, with_site
from nuages.data.backups import give_access, keep_key, vault


@click.command("access")
@click.argument("names", nargs=-1, required=True, metavar="NAME[=VALUE]...")
@json_option
@with_site
def command(site: Site, names: tuple[str, ...], as_json: bool) -> None:
    """Give backups the variables that their place wants: AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY for a bucket.

    A NAME without a value is taken from your environment, else asked for. The site's own processes don't see them.
    """
    values = {}
    for word in names:
        name, equals, value = word.partition("=")
        values[name] = value if equals else os.environ.get(name) or click.prompt(name, hide_input=True)
    with vault(site.topology, site.lead) as backups:
        known = give_access(backups, values)
        if not os.environ.get("CI"):
            keep_key(backups)
    click.echo(json.dumps({"event": "access", "names": known}) if as_json else f"backups have {', '.join(known)}")
