"""nuages status: how it stands, in a few lines."""

from __future__ import annotations

import datetime as dt
import json
import time
from typing import Any

import click

from nuages.cli.console import ago, table
from nuages.cli.site import Site, json_option, url_of, with_site
from nuages.engine.model import Live


@click.command()
@json_option
@with_site
def command(site: Site, as_json: bool) -> None:
    """Show what is live, where, since when, and whether every process runs.

    Exit status: 0 running, 3 deployed but not running, 4 never deployed.
    """
    lead, *others = site.seats()
    live = lead.live
    facts = facts_of(site, live)
    if others:
        facts["hosts"] = {seat.live.host.name: facts_of(site, seat.live) for seat in (lead, *others)}
    click.echo(json.dumps(facts, indent=1) if as_json else _text(facts, site))
    click.get_current_context().exit({"running": 0, "stopped": 3}.get(facts["state"], 4))


def facts_of(site: Site, live: Live) -> dict[str, Any]:
    if not live.release:
        return {"site": site.topology.name, "state": "never deployed", "root": str(site.topology.root)}
    running = bool(live.serving)
    generation = live.supervisor.get("generations", {}).get(live.serving, {})
    manifest = live.manifest or {}
    return {
        "site": site.topology.name,
        "state": "running" if running else "stopped",
        "url": url_of(live, site.topology) if running else "",
        "release": live.number,
        "build": live.release["build"],
        "commit": live.release.get("commit", ""),
        "dirty": live.release.get("dirty", False),
        "config": live.release["config"],
        "django": manifest.get("django"),
        "python": manifest.get("python"),
        "since": live.release.get("at", ""),
        "maintenance": live.maintenance,
        "dir": str(live.layout.dir),
        "processes": generation.get("processes", []),
        "draining": [n for n, g in live.supervisor.get("generations", {}).items() if g.get("state") == "draining"],
    }


def _text(facts: dict[str, Any], site: Site) -> str:
    if facts["state"] == "never deployed":
        return f"{facts['site']} has not been deployed yet; {site.verb}"
    source = facts["commit"][:8] or "working tree"
    where = f" on {' and '.join(host.name for host in site.topology.hosts)}" if site.topology.remote else ""
    lines = [
        f"{click.style(facts['site'], bold=True)}  {facts['state']}{'  ' + facts['url'] if facts['url'] else ''}{'  (maintenance page on)' if facts['maintenance'] else ''}",
        f"v{facts['release']}  {source}{' + changes' if facts['dirty'] and facts['commit'] else ''}  config v{facts['config']}  Django {facts['django']}  Python {facts['python']}",
    ]
    if facts["processes"]:
        lines += ["", process_table(facts["processes"])]
    lines += [f"draining: {', '.join(facts['draining'])}"] if facts["draining"] else []
    for name, there in list(facts.get("hosts", {}).items())[1:]:
        lines += ["", f"{click.style(name, bold=True)}  {there['state']}  v{there.get('release', 0)}"]
        lines += [process_table(there["processes"])] if there.get("processes") else []
    return "\n".join([*lines, click.style(f"state and logs in {facts['dir']}{where}", dim=True)])


def process_table(processes: list[dict[str, Any]]) -> str:
    rows = [
        (
            str(p["name"]),
            str(p["kind"]),
            str(p["state"]),
            str(p.get("pid") or ""),
            _since(p.get("started")),
            f"{(p.get('rss_kb') or 0) // 1024} MB",
            str(p.get("restarts", 0)),
        )
        for p in processes
    ]
    return table(rows, ("name", "kind", "state", "pid", "up", "memory", "restarts"))


def _since(started: Any) -> str:
    try:
        return ago(time.time() - float(started))
    except (TypeError, ValueError):
        pass
    try:
        return ago(time.time() - dt.datetime.fromisoformat(str(started)).timestamp())
    except ValueError:
        return ""
