"""nuages check: is it fit for production?"""

from __future__ import annotations

import json

import click

from nuages.cli.site import json_option, path_argument, root_of, site_at, terminal
from nuages.engine.inspecting import inspect_here
from nuages.engine.prepare import audit
from nuages.settings.checks import report


@click.command()
@path_argument
@click.option(
    "--fail-on",
    type=click.Choice(["error", "warning"]),
    default="error",
    show_default=True,
    help="What makes the exit status more than 0.",
)
@json_option
@click.pass_context
def command(ctx: click.Context, path: str | None, fail_on: str, as_json: bool) -> None:
    """Judge whether the project is fit for production, with our production settings in force.

    Exit status: 0 fit, 1 errors (they stop a deploy), 3 warnings with --fail-on warning.
    """
    site = site_at(root_of(ctx, path))
    console = terminal(ctx, as_json=as_json)
    live = site.live()
    inspected = inspect_here(site.work(live, console.progress))
    console.progress("checking")
    findings = audit(inspected, site.topology, live, site.hosts.here, deep=True)
    console.clear()
    click.echo(json.dumps(report.as_json(findings), indent=1) if as_json else report.render(findings))
    ctx.exit(report.exit_code(findings, fail_on))
