"""nuages config: environment variables and files; every change is a numbered release."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import click

from nuages.cli import config_files
from nuages.cli.change import apply_change
from nuages.cli.site import Site, json_option, with_site
from nuages.errors import UsageError
from nuages.insight.releases import number_of
from nuages.settings.comparing import difference
from nuages.settings.configuration import (
    Configuration,
    load_configuration,
    parse_assignments,
    rotate_key,
    set_file,
    set_values,
    unset_values,
)
from nuages.settings.dotenv import as_shell


@click.group(invoke_without_command=True)
@click.option("--show", is_flag=True, help="Print the values too.")
@click.option("-s", "--shell", is_flag=True, help="Print NAME=VALUE as a shell reads it.")
@json_option
@click.pass_context
def command(ctx: click.Context, show: bool, shell: bool, as_json: bool) -> None:
    """Environment variables and files of the site. Alone: list the names."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(listing, show=show, shell=shell, as_json=as_json)


@click.command("list")
@click.option("--show", is_flag=True)
@click.option("-s", "--shell", is_flag=True)
@json_option
@with_site
def listing(site: Site, show: bool, shell: bool, as_json: bool) -> None:
    """List the names; values only with --show or --shell."""
    config = load_configuration(site.live().config)
    if shell:
        click.echo(as_shell(config.env), nl=False)
        return
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
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option("-s", "--shell", is_flag=True, help="Print NAME=VALUE as a shell reads it.")
@with_site
def get(site: Site, names: tuple[str, ...], shell: bool) -> None:
    """Print one value, or several."""
    config = load_configuration(site.live().config)
    absent = [name for name in names if name not in config.env and name not in config.files]
    if absent:
        raise UsageError(f"{', '.join(absent)} is not set", hint="`nuages config` lists the names")
    for name in names:
        if shell and name in config.env:
            click.echo(as_shell({name: config.env[name]}), nl=False)
        else:
            click.echo(config.env.get(name, config.files.get(name, "")), nl=name in config.env)


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


@command.command()
@click.argument("older", required=False, metavar="[vN]")
@click.argument("newer", required=False, metavar="[vN]")
@json_option
@with_site
def diff(site: Site, older: str | None, newer: str | None, as_json: bool) -> None:
    """Names that differ between the configurations of two releases; no values. Alone: the live one and the one before."""
    live = site.deployed()
    last = number_of(live, newer)
    before = [r["number"] for r in live.numbered.values() if r["number"] < last]
    first = number_of(live, older) if older else max(before, default=last)
    versions = [live.numbered[f"v{number}"]["config"] for number in (first, last)]
    paths = {str(n): {"kind": "json", "path": str(live.layout.config(v))} for n, v in enumerate(versions)}
    answers = site.lead.read(paths)
    gone = [f"config v{v}" for n, v in enumerate(versions) if not answers[str(n)]]
    if gone:
        raise UsageError(f"{gone[0]} is not on disk any more")
    found = difference(load_configuration(answers["0"]), load_configuration(answers["1"]))
    if as_json:
        click.echo(json.dumps({"from": first, "to": last, **found.as_dict()}))
        return
    click.echo("\n".join([f"v{first} (config v{versions[0]}) -> v{last} (config v{versions[1]})", *found.lines()]))
    if not found.lines():
        click.echo("no name and no value differs")


@command.command("rotate-key")
@json_option
@with_site
def rotate(site: Site, as_json: bool) -> None:
    """Replace the generated secret key; sessions and links signed with the old one stay valid (SECRET_KEY_FALLBACKS)."""
    apply_change(site, rotate_key, "config rotate-key", as_json=as_json)


command.add_command(listing)
for one in (config_files.edit, config_files.export, config_files.import_):
    command.add_command(one)
