"""nuages up: the main job."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from nuages.cli.console import Terminal
from nuages.cli.site import Site, json_option, path_argument, root_of, site_at, terminal, url_at
from nuages.deploy import deploy
from nuages.engine.request import Request
from nuages.topology.pipeline import SKIPPABLE, skipped


@dataclass(frozen=True)
class Wish:
    """What the options of up and deploy say."""

    root: Path
    overrides: dict[str, Any]
    check: bool
    adopt: bool
    more: dict[str, Any] = field(default_factory=dict)  # of the Request: why, wait, accept_new


def steps(_ctx: click.Context, _option: click.Parameter, said: str | None) -> tuple[str, ...]:
    return skipped(said or "")


def deploy_options(function: Any) -> Any:
    options = [
        click.option(
            "--port",
            type=click.IntRange(1, 65535),
            help="Listen here, and remember it. Default: the first free port from 8000 on.",
        ),
        click.option("--bind", metavar="ADDRESS", help="Listen on this address. Default: 127.0.0.1, this machine only."),
        click.option("--no-check", is_flag=True, help="Don't let the audit stop it."),
        click.option("--adopt", is_flag=True, help="The project's folder has moved: take over the site it left."),
        click.option("--ask", is_flag=True, help="Show the plan and ask before applying it."),
        click.option("-m", "--message", "why", metavar="TEXT", default="", help="Why; told by releases, lock and audit."),
        click.option("--wait-lock", "wait", metavar="SECONDS", type=float, default=0.0, help="Wait so long for another deploy."),
        click.option("--accept-new-host-keys", "accept_new", is_flag=True, help="Of servers that ssh does not know yet."),
        click.option("--skip", metavar="STEPS", callback=steps, help=f"Leave out, this time: {', '.join(SKIPPABLE)}."),
        click.option("--rerun-tests", is_flag=True, help="Also where the same files and packages have passed."),
        click.option("--accept", metavar="ID", multiple=True, help="Agree to a change that the plan names, this time."),
        json_option,
    ]
    for option in reversed(options):
        function = option(function)
    return function


@click.command()
@path_argument
@click.option("-d", "--detach", is_flag=True, help="Leave it running in the background.")
@deploy_options
@click.pass_context
def command(
    ctx: click.Context,
    /,
    path: str | None,
    detach: bool,
    port: int | None,
    bind: str | None,
    no_check: bool,
    adopt: bool,
    ask: bool,
    as_json: bool,
    **more: Any,
) -> None:
    """Bring this project up in production on this machine; on a running site, deploy.

    In the foreground it shows the logs, and Ctrl-C stops the site that it started. With servers it is `nuages deploy`.
    """
    wish = Wish(root_of(ctx, path), overrides_of(port, bind), not no_check, adopt, more)
    console = terminal(ctx, as_json=as_json, ask=ask)
    site = site_at(wish.root)
    stays = detach or adopt or as_json or site.topology.remote or bool(site.live().serving)
    perform(wish, console, "up", site, as_json=as_json)
    if stays:
        return
    from nuages.cli.logs import follow

    click.echo(click.style("Ctrl-C stops it; --detach leaves it running", dim=True))
    follow_until_interrupted(site, follow)


def overrides_of(port: int | None, bind: str | None) -> dict[str, Any]:
    return {k: v for k, v in {"port": port, "bind": bind}.items() if v}


def perform(wish: Wish, console: Terminal, what: str, site: Site, *, as_json: bool) -> None:
    """Deploy, then say where it is."""
    request = Request(root=wish.root, what=what, overrides=wish.overrides, check=wish.check, adopt=wish.adopt, **wish.more)
    plan = deploy(request, console)
    number, address = (plan.facts["release"], plan.facts["listen"]) if plan.empty else serving(site)
    url = url_at(address, site.topology, secure=bool(plan.facts["secure"]), name=plan.facts["name"])
    if as_json:
        seconds = float(console.elapsed().split()[0])
        click.echo(json.dumps({"event": "live", "release": number, "url": url, "seconds": seconds}))
    elif address:
        live = "it is" if plan.empty else click.style(f"v{number} is live", fg="green")
        click.echo(f"{live} at {click.style(url, bold=True)}  {click.style(console.elapsed(), dim=True)}")
        if plan.facts["maintenance"] and (plan.empty or site.live().maintenance):
            click.echo("visitors see the maintenance page: nuages maintenance off")
        if not plan.empty and not (site.topology.remote and plan.facts["live"]):
            _tell_of_no_page(url, site, address)
    if address and not plan.empty:
        from nuages.cli.backup_key import after_deploy

        after_deploy(site, quiet=as_json)


def _tell_of_no_page(url: str, site: Site, address: str) -> None:
    from nuages.cli.visit import status_of  # with TLS it takes as long to load as a deploy with nothing to do may take

    if status_of(url, site.topology, address, "/") == NOT_FOUND:
        admin = "; its admin is at /admin/" if status_of(url, site.topology, address, "/admin/login/") == OK else ""
        click.echo(click.style(f"the project has no page at /, so that address answers 404{admin}", dim=True))


OK, NOT_FOUND = 200, 404


def serving(site: Site) -> tuple[int, str]:
    """Release and address after a deploy, which the person may have declined; no address when nothing serves."""
    live = site.live()
    return live.number, live.address if live.serving else ""


def follow_until_interrupted(site: Site, follow: Any) -> None:
    from nuages.cli.down import stop

    try:
        follow(site, names=(), lines=0)
    except KeyboardInterrupt:
        click.echo()
        stop(site)
        click.echo(f"{site.topology.name} is stopped; `nuages start` brings it back as it was")
