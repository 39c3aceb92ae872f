"""nuages rollback: code and configuration of an earlier release, under a new number."""

from __future__ import annotations

import click

from nuages.cli.site import Site, json_option, root_of, terminal, url_of, with_site
from nuages.deploy import deploy
from nuages.engine.request import Request
from nuages.engine.rollback import earlier_configuration, target_of


@click.command()
@click.argument("release", required=False, metavar="[vN]")
@click.option("--plan", "only_plan", is_flag=True, help="Show what it would do, and stop.")
@click.option("--force", is_flag=True, help="Go back although the old code does not fit the database.")
@json_option
@with_site
def command(site: Site, release: str | None, only_plan: bool, force: bool, as_json: bool) -> None:
    """Go back to the release before, or to vN: its code and its configuration.

    It becomes a new numbered release. The database stays as it is: migrations are never taken back by themselves. When the old code can't run on today's
    tables, it says so and stops.
    """
    ctx = click.get_current_context()
    live = site.deployed()
    number = target_of(live, release)
    config = earlier_configuration(site.lead, live, number)
    request = Request(
        root=root_of(ctx),
        what="rollback",
        source="release",
        number=number,
        change=config,
        only_plan=only_plan,
        why=f"rollback to v{number}",
        check=not force,
    )
    plan = deploy(request, terminal(ctx, as_json=as_json, only_plan=only_plan))
    if only_plan:
        ctx.exit(0 if plan.empty else 2)
    after = site.live()
    if not as_json:
        click.echo(f"v{after.number} is live at {url_of(after, site.topology)}: code and configuration of v{number}")
