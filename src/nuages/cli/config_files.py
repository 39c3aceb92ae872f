"""The configuration from and to files, and in an editor: the other half of `nuages config`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from nuages.cli.change import apply_change
from nuages.cli.site import Site, json_option, with_site
from nuages.errors import UsageError
from nuages.settings.comparing import difference
from nuages.settings.configuration import Configuration, load_configuration, set_all, set_values
from nuages.settings.dotenv import as_dotenv, parse_exported, parse_strictly


HEAD = """\
# Variables of {site}, config v{version}. What you save becomes one numbered release; a name that you take away is unset.
# NAME=value; quote what holds spaces, quotes or several lines. Nothing is changed where you save nothing.
"""


@click.command("export")
@click.argument("file", metavar="FILE|-")
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@with_site
def export(site: Site, file: str, force: bool) -> None:
    """Write every variable, with its value, to a .env file that only you can read; - is standard output."""
    config = load_configuration(site.live().config)
    text = as_dotenv(config.env)
    if file == "-":
        click.echo(text, nl=False)
        return
    place = Path(file)
    if place.exists() and not force:
        raise UsageError("is there already", where=file, hint="another name, or --force")
    try:
        descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as out:
            os.fchmod(out.fileno(), 0o600)
            out.write(text)
    except OSError as error:
        raise UsageError(f"can't write it: {error.strerror}", where=file) from error
    left = f"; without {', '.join(sorted(config.files))}, which are files" if config.files else ""
    click.echo(f"wrote {len(config.env)} variables with their values to {file}, for your eyes only{left}")


@click.command("import")
@click.argument("file", metavar="FILE|-")
@json_option
@with_site
def import_(site: Site, file: str, as_json: bool) -> None:
    """Set every variable of a .env file, or of what `heroku config -s` or --json wrote; - is standard input."""
    values = parse_exported(read_text(file), file)
    if not values:
        raise UsageError("has no NAME=VALUE lines", where=file)
    refused = [n for n in values if n.startswith("NUAGES_")]
    values = {k: v for k, v in values.items() if k not in refused}
    click.echo(f"{len(values)} variables: {', '.join(sorted(values))}", err=True)
    if refused:
        click.echo(f"left out, for Nuages sets them: {', '.join(sorted(refused))}", err=True)
    apply_change(site, lambda config: set_values(config, values), "config import", as_json=as_json)


def read_text(file: str) -> str:
    """A file's, or that of standard input. Raises UsageError."""
    try:
        return sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UsageError("is not UTF-8 text", where=file) from error
    except OSError as error:
        raise UsageError(f"can't read it: {error.strerror}", where=file) from error


@click.command()
@json_option
@with_site
def edit(site: Site, as_json: bool) -> None:
    """Change the variables in your editor ($VISUAL, $EDITOR); what is saved becomes one numbered release."""
    config = load_configuration(site.live().config)
    before = HEAD.format(site=site.topology.name, version=config.version) + as_dotenv(config.env)
    text = click.edit(before, extension=".env", require_save=True)
    if text is None or text == before:
        click.echo("nothing was saved, and nothing is changed")
        return
    values = parse_strictly(text, "what you saved")
    new = set_all(config, values)
    for line in difference(config, new).lines():
        click.echo(line, err=True)

    def change(now: Configuration) -> Configuration:
        if now.version != config.version:
            what = f"somebody changed the configuration meanwhile: it is v{now.version} now, and you edited v{config.version}"
            raise UsageError(what, hint="nuages config edit, again")
        return set_all(now, values)

    apply_change(site, change, "config edit", as_json=as_json)
