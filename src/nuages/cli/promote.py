"""nuages promote: what is live in one environment goes live in another, without being built again."""

from __future__ import annotations

import click

from nuages.cli.site import json_option, root_of, site_at, terminal, url_of
from nuages.deploy import deploy
from nuages.engine.promoting import promote, request_of
from nuages.engine.request import Request
from nuages.errors import UsageError
from nuages.topology import Topology, load_topology


@click.command()
@click.argument("words", nargs=-1, metavar="[FROM [TO]]")
@click.option("--plan", "only_plan", is_flag=True, help="Show what it would do, and stop.")
@click.option("-m", "--message", "why", metavar="TEXT", default="", help="Why; told by releases, lock and audit.")
@click.option("--wait-lock", "wait", metavar="SECONDS", type=float, default=0.0, help="Wait so long for another deploy.")
@json_option
@click.pass_context
def command(ctx: click.Context, words: tuple[str, ...], only_plan: bool, why: str, wait: float, as_json: bool) -> None:
    """Put what is live in FROM live in TO, without building it again: nuages promote staging production.

    FROM is the environment that -e names, or the only one beside production; TO is production. Configuration, domains,
    database and uploads stay each environment's own.
    """
    root = root_of(ctx)
    source, target = (load_topology(root, name) for name in chosen(load_topology(root), words))
    console = terminal(ctx, as_json=as_json, only_plan=only_plan)
    wish = Request(root=root, why=why, wait=wait, only_plan=only_plan)
    promotion = promote(source, target, console.progress)
    plan = deploy(request_of(promotion, wish, source, target), console)
    if only_plan:
        ctx.exit(0 if plan.empty else 2)
    site = site_at(root, target.environment)
    after = site.live()
    if not as_json and after.serving:
        click.echo(f"v{after.number} is live at {url_of(after, target)}: v{promotion.release['number']} of {source.environment}")


def chosen(topology: Topology, words: tuple[str, ...]) -> tuple[str, str]:
    """From where to where."""
    others = [name for name in topology.environments if name != "production"]
    if len(words) == 2:  # noqa: PLR2004
        return words[0], words[1]
    if len(words) > 2:  # noqa: PLR2004
        raise UsageError("two environments at most", hint="nuages promote staging production")
    if words or topology.environment != "production":
        return words[0] if words else topology.environment, "production"
    if len(others) != 1:
        raise UsageError(
            "from which environment?" if others else "there is one environment only",
            hint=f"nuages promote {others[0] if others else 'staging'} production; known: {', '.join(topology.environments)}",
        )
    return others[0], "production"
