"""nuages backup restore: back to what a backup holds, on the server that is live or on a new one."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import click

from nuages.cli.console import Terminal
from nuages.cli.meant import meant, target_of, yes_option
from nuages.cli.site import Site, json_option, permitted, root_of, terminal, with_site
from nuages.data.backups import Vault, keep_key, key_path, read_key, vault
from nuages.data.dump import UNLOCKED
from nuages.data.restore import Restored, drop_steps, page_on, restore
from nuages.deploy import deploy
from nuages.engine.lock import deploy_lock
from nuages.engine.request import Request
from nuages.errors import UsageError


PARTS = ("database", "uploads")


@click.command("restore")
@click.argument("snapshot", required=False, metavar="[ID]")
@click.option("--only", type=click.Choice(PARTS), help="The database, or the uploaded files. Default: both.")
@click.option("--on-new-server", is_flag=True, help="Where nothing is live: configuration, deploy, database, uploads.")
@click.option("--from", "source", metavar="TO", help="Where the backups are, when [backups] to says something else.")
@click.option("--key", "key", type=click.Path(dir_okay=False, path_type=Path), help="The key that was kept off the server.")
@click.option("--migrate", is_flag=True, help="Run migrations that the backup lacks, before it goes live.")
@click.option("--newer", is_flag=True, help="Take a backup with migrations that the live release does not know.")
@click.option("--accept-new-host-keys", "accept_new", is_flag=True, help="Of servers that ssh does not know yet.")
@yes_option
@json_option
@with_site
def command(
    site: Site,
    snapshot: str | None,
    only: str | None,
    on_new_server: bool,
    source: str | None,
    key: Path | None,
    migrate: bool,
    newer: bool,
    accept_new: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Put back a backup (ID of nuages backup, the newest by default): the database after it was checked, and uploaded files.

    What the database had is kept; uploaded files that the backup does not have stay. On a new server it brings the
    configuration first and deploys this folder with it, so that keys, rows and files belong together again.
    """
    if on_new_server:
        permitted(site)
        _rebuild(site, snapshot or "latest", source or "", key, accept_new=accept_new, yes=yes, as_json=as_json)
        return
    live = site.deployed()
    permitted(site)
    what = {"database": "the database", "uploads": "uploaded files"}.get(only or "", "the database and uploaded files")
    meant(site, f"This puts back {what} of {target_of(site)} from {snapshot or 'the newest backup'}.", yes=yes)
    console = terminal(click.get_current_context(), as_json=as_json)
    given = read_key(key) if key else None
    with vault(site.topology, site.lead, given, source or "") as backups:
        brought = backups.ask("bring", console.progress, snapshot=snapshot or "latest")
        lock = deploy_lock(site.lead, site.layout, "backup restore", reason=brought["snapshot"])
        try:
            page = not live.maintenance
            with lock as token, page_on(site.hosts.all[1:] if page else (), backups.hand, token):
                parts = (only,) if only else PARTS
                done = put_back(backups, brought, parts, token, console, migrate=migrate, newer=newer, page=page)
        finally:
            backups.ask("forget")
    console.clear()
    _tell(site, brought, done, as_json=as_json)


def put_back(
    backups: Vault,
    brought: dict[str, Any],
    parts: tuple[str, ...],
    token: str,
    console: Terminal,
    *,
    migrate: bool,
    newer: bool,
    page: bool,
) -> dict[str, Any]:
    """Databases first: where one of them does not pass, nothing was changed."""
    restored: dict[str, Restored] = {}
    for alias, path in brought["files"].items() if "database" in parts else ():
        shown = f"backup {brought['snapshot']}" + ("" if alias == "default" else f" ({alias})")
        hand = backups.of(alias)
        restored[alias] = restore(hand, path, token, console.step, shown=shown, migrate=migrate, newer=newer, page=page)
    placed: dict[str, Any] = {}
    if "uploads" in parts and brought["facts"]["media"]["count"]:
        op = backups.op("uploads", snapshot=brought["snapshot"])
        backups.hand.carry_out([backups.hand.step("~", "uploaded files", op)], token, console.step)
        placed = backups.hand.answer("uploads")
    return {"restored": restored, "placed": placed}


def _tell(site: Site, brought: dict[str, Any], done: dict[str, Any], *, as_json: bool) -> None:
    restored, placed = done["restored"], done["placed"]
    if as_json:
        replaced = {alias: one.kept for alias, one in restored.items()}
        rows = sum(one.rows for one in restored.values())
        told = {"event": "restored", "snapshot": brought["snapshot"], "of": brought["at"], "rows": rows, "kept": replaced}
        click.echo(json.dumps({**told, "uploads": placed.get("placed", 0)}))
        return
    for one in restored.values():
        more = f"; {len(one.migrated)} migrations were run on it" if one.migrated else ""
        click.echo(f"{site.topology.name} has the database of {brought['at']}: {one.rows} rows{more}")
        click.echo(f"what it had is kept as {one.kept}: nuages db restore --undo")
    if placed:
        kept = f"; {placed['replaced']} others are kept in {placed['kept']}" if placed["replaced"] else ""
        click.echo(f"{placed['placed']} uploaded files were put back{kept}")


# --- on a new server -----------------------------------------------------------------------------------------


def _rebuild(site: Site, snapshot: str, source: str, key: Path | None, *, accept_new: bool, yes: bool, as_json: bool) -> None:
    console = terminal(click.get_current_context(), as_json=as_json)
    began = time.monotonic()
    topology = site.topology
    if not topology.remote:
        raise UsageError("no server is declared", hint="[hosts.web-1] address = ... in nuages.toml names the new one")
    given = read_key(key or key_path(topology.name))
    live = site.live()
    if live.release:
        hint = "without --on-new-server the backup is put back there"
        raise UsageError(f"v{live.number} is live on {site.lead.name}: it is no new server", hint=hint)
    meant(site, f"This makes {target_of(site)} of its backups.", yes=yes)
    with vault(topology, site.lead, given, source) as backups:
        brought = _brought(backups, snapshot, console)
    _tell_release(brought, console)
    deploy(Request(root=root_of(click.get_current_context()), what="backup restore", accept_new=accept_new), console)
    with vault(topology, site.lead) as backups:
        with deploy_lock(site.lead, site.layout, "backup restore", reason=brought["snapshot"]) as token:
            done = put_back(backups, brought, PARTS, token, console, migrate=True, newer=False, page=not site.live().maintenance)
            for alias, one in done["restored"].items():  # what the deploy had made was empty
                hand = backups.of(alias)
                hand.carry_out(drop_steps(hand, [one.kept]), token, console.step)
        backups.ask("forget")
        if not os.environ.get("CI"):
            keep_key(backups)
    console.clear()
    _tell_rebuilt(site, brought, done, time.monotonic() - began, as_json=as_json)


def _brought(backups: Vault, snapshot: str, console: Terminal) -> dict[str, Any]:
    """The host gets restic, the key and the newest backup, and the site its configuration before it is deployed."""
    hand = backups.hand
    packages = {"op": "packages", "names": ["restic", "openssh-client"], "timeout": 1800}
    hand.carry_out([hand.step("+", "packages restic openssh-client", packages)], UNLOCKED, console.step)
    brought = backups.ask("bring", console.progress, snapshot=snapshot)
    with deploy_lock(hand.place.host, hand.place.layout, "backup restore", reason=brought["snapshot"]) as token:
        op = backups.op("config", snapshot=brought["snapshot"])
        hand.carry_out([hand.step("+", "the configuration that it had", op)], token, console.step)
    return brought


def _tell_release(brought: dict[str, Any], console: Terminal) -> None:
    release = brought["facts"]["release"]
    of = f" of commit {release['commit'][:12]}" if release.get("commit") else ""
    console.note(
        f"backup {brought['snapshot']} of {brought['at']} was made under v{release['number']}{of}; this folder is deployed now"
    )


def _tell_rebuilt(site: Site, brought: dict[str, Any], done: dict[str, Any], seconds: float, *, as_json: bool) -> None:
    rows = sum(one.rows for one in done["restored"].values())
    files = done["placed"].get("placed", 0)
    if as_json:
        told = {"event": "rebuilt", "snapshot": brought["snapshot"], "of": brought["at"], "rows": rows, "uploads": files}
        click.echo(json.dumps({**told, "seconds": round(seconds, 1)}))
        return
    click.echo(f"{target_of(site)} is what it was at {brought['at']}: {rows} rows, {files} uploaded files, in {seconds:.0f} s")
