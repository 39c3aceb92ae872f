"""A change of configuration: a numbered release of the live build, or kept for the first deploy."""

from __future__ import annotations

import json
from collections.abc import Callable

import click

from nuages.cli.site import Site, root_of, terminal, url_of
from nuages.deploy import deploy
from nuages.engine.inspecting import lacks_driver
from nuages.engine.request import Request
from nuages.settings.configuration import Configuration, load_configuration


def apply_change(site: Site, change: Callable[[Configuration], Configuration], what: str, *, as_json: bool) -> None:
    """Deploy the live build under the changed configuration; with nothing live, keep it for the first `up`."""
    ctx = click.get_current_context()
    live = site.live()
    new: Configuration = change(load_configuration(live.config))
    if live.config and new.version == live.config["version"]:
        click.echo(json.dumps({"event": "unchanged", "config": new.version}) if as_json else "nothing to do: it is so already")
        return
    console = terminal(ctx, as_json=as_json)
    if live.release is None:
        from nuages.engine.store import keep_configuration

        keep_configuration(site.lead, site.layout, new)
        said = f"kept as config v{new.version} for the first deploy; {site.verb}"
        click.echo(json.dumps({"event": "kept", "config": new.version}) if as_json else said)
        return
    # Environments are never changed in place: another driver means another one, resolved from the project's files.
    manifest = live.manifest or {}
    source = "project" if lacks_driver(new, manifest.get("versions", {})) else "live"
    environment = site.topology.environment
    deploy(Request(root=root_of(ctx), what=what, source=source, change=change, environment=environment), console)
    after = site.live()
    if not as_json:
        where = f" at {url_of(after, site.topology)}" if after.serving else ", and not running: nuages start"
        click.echo(f"v{after.number} (config v{new.version}) is live{where}")
