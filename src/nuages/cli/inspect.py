"""nuages inspect: what Nuages makes of the project."""

from __future__ import annotations

import json

import click

from nuages.cli.site import json_option, path_argument, root_of, site_at, terminal
from nuages.engine.inspecting import inspect_here
from nuages.environments.wishes import mask
from nuages.project import as_json as project_as_json
from nuages.project import report


@click.command()
@path_argument
@json_option
@click.pass_context
def command(ctx: click.Context, path: str | None, as_json: bool) -> None:
    """Show what was found in the project, what was chosen, and how to choose otherwise."""
    site = site_at(root_of(ctx, path))
    console = terminal(ctx, as_json=as_json)
    live = site.live()
    inspected = inspect_here(site.work(live, console.progress))
    console.clear()
    click.echo(mask(json.dumps(project_as_json(inspected.project), indent=1)) if as_json else report(inspected.project))
