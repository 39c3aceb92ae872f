"""nuages settings: what production changes, and why."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from nuages.cli.site import json_option, root_of, site_at, terminal
from nuages.engine.inspecting import Inspected, inspect_here
from nuages.settings.eject import eject as eject_settings
from nuages.settings.overlay import changes_of, render, rows


@click.group()
def command() -> None:
    """Show, compare or take home the production settings."""


def _inspected(ctx: click.Context, *, as_json: bool) -> Inspected:
    site = site_at(root_of(ctx))
    console = terminal(ctx, as_json=as_json)
    live = site.live()
    inspected = inspect_here(site.work(live, console.progress))
    console.clear()
    return inspected


@command.command()
@json_option
@click.pass_context
def diff(ctx: click.Context, as_json: bool) -> None:
    """Every setting that production changes: old value, new value, reason."""
    probe = _inspected(ctx, as_json=as_json).project.probe
    if as_json:
        click.echo(json.dumps([asdict(change) for change in changes_of(probe)], indent=1))
    else:
        click.echo(render(rows(probe)))


@command.command()
@click.argument("names", nargs=-1)
@json_option
@click.pass_context
def show(ctx: click.Context, names: tuple[str, ...], as_json: bool) -> None:
    """The settings in force, or those named; secrets are masked."""
    probe = _inspected(ctx, as_json=as_json).project.probe
    values = dict(probe.facts.get("settings") or {})
    chosen = {k: v for k, v in values.items() if not names or k in names}
    changed = {change.setting for change in changes_of(probe)}
    if as_json:
        click.echo(json.dumps(chosen, indent=1))
        return
    for name, value in sorted(chosen.items()):
        click.echo(f"{'~' if name in changed else ' '} {name} = {value}")


@command.command()
@click.option("--stdout", "only_print", is_flag=True, help="Print it in place of writing it.")
@click.pass_context
def eject(ctx: click.Context, only_print: bool) -> None:
    """Write the production settings into the project, as plain code that no longer needs Nuages."""
    inspected = _inspected(ctx, as_json=False)
    ejected = eject_settings(inspected.project.files, inspected.project.probe)
    if only_print:
        for path, text in ejected.files.items():
            click.echo(f"# {path}\n{text}")
        return
    ejected.write(inspected.source.root)
    for path in ejected.files:
        click.echo(f"wrote {path}")
    for note in ejected.notes:
        click.echo(f"  {note}")
