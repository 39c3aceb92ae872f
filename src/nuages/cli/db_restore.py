"""nuages db restore: a dump becomes the live database, after it was checked beside it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from nuages.cli.console import Terminal
from nuages.cli.meant import meant, target_of, yes_option
from nuages.cli.site import Site, json_option, permitted, terminal, with_site
from nuages.data.dump import forget, send
from nuages.data.hand import Hand, laid, place_of
from nuages.data.restore import Restored, page_on, restore
from nuages.data.restore import undo as take_back
from nuages.engine.lock import deploy_lock
from nuages.errors import UsageError


@click.command("restore")
@click.argument("dump", required=False, metavar="FILE|ID")
@click.option("--undo", is_flag=True, help="Put back what the last restore replaced (or the kept database ID).")
@click.option("--database", "alias", default="default", show_default=True, help="Alias in DATABASES.")
@click.option("--migrate", is_flag=True, help="Run migrations that the dump lacks, before it goes live.")
@click.option("--older", is_flag=True, help="Take a dump without the migrations that it lacks: a rollback follows.")
@click.option("--newer", is_flag=True, help="Take a dump with migrations that the live release does not know.")
@click.option("--wait-lock", type=float, default=0, help="Seconds to wait for somebody else's deploy.")
@yes_option
@json_option
@with_site
def command(
    site: Site,
    dump: str | None,
    undo: bool,
    alias: str,
    migrate: bool,
    older: bool,
    newer: bool,
    wait_lock: float,
    yes: bool,
    as_json: bool,
) -> None:
    """Put a dump in the place of the live database: FILE on this machine, or ID of nuages db list.

    It is loaded beside the live one and checked: the rows of every table, sequences, and whether the live release's code fits
    it. Then the two change places under the maintenance page. What was live is kept.
    """
    live = site.deployed()
    if not dump and not undo:
        raise UsageError("which dump?", hint="nuages db list shows those on the host; a FILE made by nuages db backup; or --undo")
    if dump and not Path(dump).is_file() and ("/" in dump or dump.endswith(".tar")):
        raise UsageError(f"there is no file {dump}", hint="nuages db list shows the dumps on the host")
    permitted(site)
    source = "what the last restore replaced" if undo and not dump else dump
    meant(site, f"This replaces the database of {target_of(site)} with {source}; what it replaces is kept.", yes=yes)
    console = terminal(click.get_current_context(), as_json=as_json)
    place = place_of(site.topology, site.lead, alias)
    lock = deploy_lock(site.lead, site.layout, "db restore", reason=str(source), wait=wait_lock)
    page = not live.maintenance
    others = site.hosts.all[1:] if page else ()
    with laid(place) as hand, lock as token, page_on(others, hand, token):
        if undo:
            told = take_back(hand, token, console.step, name=dump or "", page=page)
            _tell_undone(told, as_json=as_json)
            return
        with found(hand, str(dump), console, token) as path:
            restored = restore(
                hand, path, token, console.step, shown=Path(str(dump)).name, migrate=migrate, newer=newer, older=older, page=page
            )
    console.clear()
    tell(site, restored, as_json=as_json)


@contextmanager
def found(hand: Hand, dump: str, console: Terminal, token: str) -> Iterator[str]:
    """Where the dump lies on the host. A file of this machine is sent there, and removed again."""
    if Path(dump).is_file():
        path = send(hand, Path(dump), console.progress)
        try:
            yield path
        finally:
            forget(hand, path, token=token)
        return
    told = hand.ask("list")
    known = [row["id"] for row in told["dumps"]]
    if dump in [row["id"] for row in told["snapshots"]]:
        yield f"{hand.place.layout.snapshots}/{dump}"
        return
    if dump not in known:
        hint = "on the host: " + (", ".join(known[-5:]) or "none") + "; of the scheduled backups: nuages backup restore ID"
        raise UsageError(f"there is no file and no dump called {dump}", hint=hint)
    yield f"{hand.place.dumps}/{dump}.tar"


def tell(site: Site, restored: Restored, *, as_json: bool) -> None:
    if as_json:
        told = {"event": "restored", "kept": restored.kept, "rows": restored.rows, "tables": len(restored.manifest["tables"])}
        click.echo(json.dumps({**told, "migrated": list(restored.migrated)}))
        return
    more = f"; {len(restored.migrated)} migrations were run on it" if restored.migrated else ""
    click.echo(f"{site.topology.name} has the database of {restored.manifest['at']}: {restored.rows} rows{more}")
    click.echo(f"what it had is kept as {restored.kept}: nuages db restore --undo, or nuages db drop {restored.kept}")


def _tell_undone(told: dict[str, str], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"event": "undone", **told}))
        return
    click.echo(f"{told['name']} is live again; what it replaced is kept as {told['kept']}")
