"""nuages info: what this app is, on one screen."""

from __future__ import annotations

import json
from typing import Any

import click

from nuages.cli.addons import found_on
from nuages.cli.console import count
from nuages.cli.site import Site, json_option, with_site
from nuages.engine.scaling import scaled
from nuages.errors import UsageError
from nuages.gitremote.repository import SCHEME, repository_of
from nuages.hosts.local import LocalTransport
from nuages.insight.facts import facts_of
from nuages.settings.configuration import load_configuration


@click.command()
@json_option
@with_site
def command(site: Site, as_json: bool) -> None:
    """Show what the app is made of: addresses, servers, release, services, processes, configuration, git remote."""
    told = info_of(site)
    if as_json:
        click.echo(json.dumps(told, indent=1))
        return
    click.echo(click.style(told.pop("name"), bold=True))
    for key, value in told.items():
        text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        if text:
            click.echo(f"  {key.replace('_', ' ') + ':':<15} {text}")


def info_of(site: Site) -> dict[str, Any]:
    topology, live = site.topology, site.live()
    facts = facts_of(topology, live)
    commit = str(facts.get("commit") or "")[:8] + (" + changes" if facts.get("dirty") and facts.get("commit") else "")
    config = load_configuration(live.config) if live.config else None
    return {
        "name": topology.name,
        "environment": topology.environment,
        "state": facts["state"],
        "url": facts.get("url", ""),
        "domains": list(topology.domains),
        "servers": [f"{host.name} ({host.address})" for host in topology.hosts] or ["this machine"],
        "system": f"{live.machine.os} {live.machine.os_version}".strip() if topology.remote else "",
        "release": f"v{facts['release']}, {commit or 'working tree'}, {facts['since']}" if live.release else "",
        "runs": f"Django {facts['django']}, Python {facts['python']}, {topology.server}" if live.release else "",
        "processes": [f"{name}={number}" for name, number in scaled(live).items()] if live.release else [],
        "addons": [addon.name for addon in found_on(site, live)],
        "config": f"v{config.version}, {count(len(config.env), 'variable')}" if config else "",
        "git_remote": _remotes(site),
        "folder": str(topology.root),
        "state_in": str(site.layout.dir),
    }


def _remotes(site: Site) -> list[str]:
    try:
        found = repository_of(site.topology.root, LocalTransport()).remotes()
    except UsageError:
        return []
    ours = SCHEME + site.topology.environment
    return [f"{name} ({url})" for name, url in found.items() if url == ours or url.startswith(ours + "/")]
