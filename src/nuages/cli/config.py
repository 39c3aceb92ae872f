"""nuages config: environment variables and files; every change is a numbered release."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import click

from nuages.cli.change import apply_change
from nuages.cli.site import Site, json_option, with_site
from nuages.errors import UsageError
from nuages.settings.configuration import (
    Configuration,
    load_configuration,
    parse_assignments,
    parse_dotenv,
    rotate_key,
    set_file,
    set_values,
    unset_values,
)


@click.group(invoke_without_command=True)
@click.option("--show", is_flag=True, help="Print the values too.")
@json_option
@click.pass_context
def command(ctx: click.Context, show: bool, as_json: bool) -> None:
    """Environment variables and files of the site. Alone: list the names."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(listing, show=show, as_json=as_json)


@click.command("list")
@click.option("--show", is_flag=True)
@json_option
@with_site
def listing(site: Site, show: bool, as_json: bool) -> None:
    """List the names; values only with --show."""
    config = load_configuration(site.live().config)
    values = {k: (v if show else "") for k, v in sorted(config.env.items())}
    if as_json:
        click.echo(
            json.dumps(
                {
                    "version": config.version,
                    "env": values if show else sorted(values),
                    "files": sorted(config.files),
                }
            )
        )
        return
    for name, value in values.items():
        click.echo(f"{name}={value}" if show else name)
    for name in sorted(config.files):
        click.echo(f"{name}  (file, {len(config.files[name])} characters)")
    if not values and not config.files:
        click.echo("nothing is set; nuages config set NAME=VALUE")


@command.command()
@click.argument("name")
@with_site
def get(site: Site, name: str) -> None:
    """Print one value."""
    config = load_configuration(site.live().config)
    if name in config.files:
        click.echo(config.files[name], nl=False)
        return
    if name not in config.env:
        raise UsageError(f"{name} is not set", hint="`nuages config` lists the names")
    click.echo(config.env[name])


@command.command("set")
@click.argument("assignments", nargs=-1, metavar="[NAME=VALUE]...")
@click.option(
    "--file",
    "files",
    multiple=True,
    metavar="PATH=@FILE",
    help="A file that the project reads, at PATH under its folder.",
)
@json_option
@with_site
def set_(site: Site, assignments: tuple[str, ...], files: tuple[str, ...], as_json: bool) -> None:
    """Set variables (NAME= sets an empty value). NAME=- reads the value from standard input."""
    if not assignments and not files:
        raise UsageError("nothing to set", hint="nuages config set NAME=VALUE")
    values = {k: sys.stdin.read().rstrip("\n") if v == "-" else v for k, v in parse_assignments(assignments).items()}
    contents = dict(_read_file(word) for word in files)

    def change(config: Configuration) -> Configuration:
        new = config
        for path, content in contents.items():
            new = set_file(new, path, content)
        new = set_values(new, values) if values else new
        return replace(new, version=min(new.version, config.version + 1))

    apply_change(site, change, "config set", as_json=as_json)


def _read_file(word: str) -> tuple[str, str]:
    path, equals, source = word.partition("=")
    if not equals or not source.startswith("@"):
        raise UsageError(f"{word!r} is not PATH=@FILE", hint="nuages config set --file config/keys.json=@keys.json")
    try:
        return path, Path(source[1:]).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"can't read it: {error}", where=source[1:]) from error


@command.command()
@click.argument("names", nargs=-1, required=True)
@json_option
@with_site
def unset(site: Site, names: tuple[str, ...], as_json: bool) -> None:
    """Remove variables or files."""
    apply_change(site, lambda config: unset_values(config, names), "config unset", as_json=as_json)


@command.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@json_option
@with_site
def import_(site: Site, file: str, as_json: bool) -> None:
    """Set every variable of a .env file."""
    try:
        values = parse_dotenv(Path(file).read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise UsageError("is not UTF-8 text", where=file) from error
    if not values:
        raise UsageError("has no NAME=VALUE lines", where=file)
    refused = [n for n in values if n.startswith("NUAGES_")]
    values = {k: v for k, v in values.items() if k not in refused}
    click.echo(f"{len(values)} variables: {', '.join(sorted(values))}", err=True)
    if refused:
        click.echo(f"left out, for Nuages sets them: {', '.join(sorted(refused))}", err=True)
    apply_change(site, lambda config: set_values(config, values), "config import", as_json=as_json)


@command.command("rotate-key")
@json_option
@with_site
def rotate(site: Site, as_json: bool) -> None:
    """Replace the generated secret key; sessions and links signed with the old one stay valid (SECRET_KEY_FALLBACKS)."""
    apply_change(site, rotate_key, "config rotate-key", as_json=as_json)


command.add_command(listing)
