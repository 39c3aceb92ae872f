"""nuages status: how it stands, on one screen."""

from __future__ import annotations

import json
import shutil
import sys
import time
from dataclasses import replace
from typing import Any

import click

from nuages.cli import status_screen
from nuages.cli.site import Site, json_option, with_site
from nuages.cli.status_screen import process_table
from nuages.insight.model import DEGRADED, DOWN, HEALTHY, NEVER, Status
from nuages.insight.status import gather


__all__ = ["command", "process_table"]

CODES = {HEALTHY: 0, DEGRADED: 2, DOWN: 3, NEVER: 4}  # else 1: nobody could tell
UPDATES_EVERY = 600  # seconds: pending packages cost the host half a second of work
HOME, CLEAR_REST, CLEAR_LINE = "\x1b[H", "\x1b[J", "\x1b[K"
OTHER_SCREEN, BACK, HIDE, SHOW = "\x1b[?1049h", "\x1b[?1049l", "\x1b[?25l", "\x1b[?25h"


@click.command()
@click.option("-w", "--watch", is_flag=True, help="Look again and again, until Ctrl-C.")
@click.option("--every", default=2.0, show_default=True, metavar="SECONDS", help="Between two looks of --watch.")
@click.option("--window", default=15.0, show_default=True, metavar="MINUTES", help="How far back requests are counted.")
@json_option
@with_site
def command(site: Site, watch: bool, every: float, window: float, as_json: bool) -> None:
    """Show hosts, processes, release, requests, errors, certificate, backups and updates.

    Exit status: 0 healthy, 2 serving with something wrong, 3 deployed but not running, 4 never deployed, 1 can't tell.
    """
    if watch:
        found = _watch(site, max(0.5, every), window * 60, as_json=as_json)
    else:
        found = gather(site.topology, site.hosts, site.layout, window=window * 60)
        click.echo(json.dumps(as_plain(found, site), indent=1) if as_json else _screen(found, site))
    click.get_current_context().exit(CODES.get(found.verdict, 1))


def as_plain(found: Status, site: Site) -> dict[str, Any]:
    """One object: the release by its number, as it has always been told, and everything else beside it."""
    told = found.as_dict()
    lead = found.facts.get(found.hosts[0].name) or {"site": found.site, "state": found.state}
    several = {"hosts": found.facts} if len(found.hosts) > 1 else {}
    release = told.pop("release") or {}
    own = {"machines": told.pop("hosts"), "all_processes": told.pop("processes"), "by": release.get("by", "")}
    return {**told, **own, **lead, **several}


def _screen(found: Status, site: Site) -> str:
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
    return status_screen.screen(found, site, width)


def _watch(site: Site, every: float, window: float, *, as_json: bool) -> Status:
    """On the terminal's other screen, written over in place: nothing flickers, and nothing is left behind."""
    full = sys.stdout.isatty() and not as_json
    found: Status | None = None
    asked = 0.0
    try:
        if full:
            click.echo(OTHER_SCREEN + HIDE, nl=False)
        while True:
            fresh = time.time() - asked > UPDATES_EVERY
            before, found = found, gather(site.topology, site.hosts, site.layout, window=window, updates=fresh)
            asked = time.time() if fresh else asked
            found = found if fresh or before is None else _with_updates(found, before)
            _show(found, site, every, full=full, as_json=as_json)
            time.sleep(every)
    except KeyboardInterrupt:
        if found is None:
            raise
        return found
    finally:
        if full:
            click.echo(SHOW + BACK, nl=False)


def _with_updates(found: Status, before: Status) -> Status:
    known = {host.name: host.updates for host in before.hosts}
    return replace(found, hosts=tuple(replace(host, updates=known.get(host.name)) for host in found.hosts))


def _show(found: Status, site: Site, every: float, *, full: bool, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(as_plain(found, site)))
        return
    if not full:
        click.echo(_screen(found, site) + "\n")
        return
    height = shutil.get_terminal_size().lines
    foot = click.style(f"every {every:g} s, Ctrl-C ends  {time.strftime('%H:%M:%S')}", dim=True)
    lines = [*_screen(found, site).splitlines()[: max(1, height - 2)], foot]
    click.echo(HOME + "\n".join(line + CLEAR_LINE for line in lines) + CLEAR_REST, nl=False)
