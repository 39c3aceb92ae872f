"""nuages plan: every step, before anything is written."""

from __future__ import annotations

import click

from nuages.cli.site import json_option, path_argument, root_of, terminal
from nuages.deploy import deploy
from nuages.engine.request import Request


@click.command()
@path_argument
@click.option("--no-check", is_flag=True, help="Don't let the audit stop it.")
@json_option
@click.pass_context
def command(ctx: click.Context, path: str | None, no_check: bool, as_json: bool) -> None:
    """Show every step that `nuages up` or `nuages deploy` would take, and why. Writes nothing that a live site uses.

    Exit status: 0 nothing to do, 2 something to do, 1 error.
    """
    request = Request(root=root_of(ctx, path), what="plan", only_plan=True, check=not no_check)
    plan = deploy(request, terminal(ctx, as_json=as_json, only_plan=True))
    ctx.exit(0 if plan.empty else 2)
