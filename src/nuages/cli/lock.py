"""nuages lock: who deploys right now."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import click

from nuages.cli.console import ago
from nuages.cli.site import Site, json_option, with_site
from nuages.engine.lock import break_lock, describe, locked


STILL_WRITING = "steps of an earlier command are being carried out on the host"


@click.command()
@click.option("--break", "breaking", is_flag=True, help="Take the lock from whoever holds it. The audit log keeps it.")
@click.option("-m", "--reason", default="", metavar="TEXT", help="Why it is broken, for the audit log.")
@json_option
@with_site
def command(site: Site, breaking: bool, reason: str, as_json: bool) -> None:
    """Show who holds the site's lock, since when and why, or break it."""
    if breaking:
        broken = break_lock(site.lead, site.layout, reason)
        if as_json:
            click.echo(json.dumps({"broken": broken}))
        elif broken is None:
            click.echo("nobody holds the lock")
        else:
            click.echo(f"taken from {describe(broken.get('owner', {}))}; what it still sends is refused")
        return
    answer = locked(site.lead, site.layout)
    click.echo(json.dumps(answer) if as_json else said(answer))


def said(answer: Mapping[str, Any]) -> str:
    holder = answer.get("holder")
    if not holder:
        return STILL_WRITING if answer.get("writing") else "nobody holds the lock"
    by, now = holder.get("owner", {}), answer["now"]
    why = f": {by['reason']}" if by.get("reason") else ""
    lines = [f"nuages {by.get('what', 'deploy')}{why}", f"  by {describe(by)}, since {ago(now - holder['since'])}"]
    if answer["writing"]:
        lines.append("  its steps are being carried out on the host")
    elif not answer["holds"]:
        lines.append("  it has ended without a word: the next command takes the lock")
    elif by.get("remote"):
        lines.append(f"  ends by itself in {ago(holder['expires'] - now)} unless it is renewed")
    return "\n".join(lines)
