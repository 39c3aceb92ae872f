"""nuages drift: what lies on the hosts, against what should."""

from __future__ import annotations

import click

from nuages.cli.site import Site, json_option, root_of, terminal, with_site
from nuages.deploy import deploy
from nuages.engine.request import Request


@click.command()
@json_option
@with_site
def command(site: Site, as_json: bool) -> None:
    """Compare the hosts with the live release: files changed by hand, units that don't run. Changes nothing.

    Exit status: 0 all is as it should be, 2 something differs.
    """
    ctx = click.get_current_context()
    live = site.deployed()
    request = Request(root=root_of(ctx), what="drift", source="live", only_plan=True)
    console = terminal(ctx, as_json=as_json, only_plan=True)
    console.calm = f"nothing is missing: all that v{live.number} needs is there"
    plan = deploy(request, console)
    ctx.exit(0 if plan.empty and not plan.drifted else 2)
