"""nuages db pull: a site's database to this machine, scrubbed."""

from __future__ import annotations

import contextlib
import json
import tempfile
from pathlib import Path
from typing import Any

import click

from nuages.cli.console import Terminal, count
from nuages.cli.db_scrub import warn
from nuages.cli.meant import meant, target_of, yes_option
from nuages.cli.site import Site, json_option, permitted, terminal, with_site
from nuages.data.dump import stamp
from nuages.data.hand import Hand, Place, laid, place_of
from nuages.data.pull import engine_of, pull, take_out
from nuages.data.restore import restore
from nuages.data.scrub import Intent, intend, look
from nuages.data.targets import Elsewhere, elsewhere, fill, site_here
from nuages.engine.lock import deploy_lock
from nuages.errors import UsageError


@click.command("pull", short_help="A site's database to this machine, scrubbed.")
@click.option(
    "--to", "file", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path), help="Into a file: .tar, .dump, .sqlite3."
)
@click.option("--into", metavar="URL", default="", help="Into the database of this address: sqlite:///db.sqlite3, postgres://...")
@click.option("--raw", is_flag=True, help="As it is, personal data and all. Asks twice, and is in the audit log.")
@click.option("--database", "alias", default="default", show_default=True, help="Alias in DATABASES.")
@yes_option
@json_option
@with_site
def command(site: Site, file: Path | None, into: str, raw: bool, alias: str, yes: bool, as_json: bool) -> None:
    """Bring the database to this machine, scrubbed: into the site that runs here, a file, or the database of an address.

    It is scrubbed on the server, in a copy, by the rules of nuages.toml (nuages db scrub shows them): what is personal never
    leaves. What it replaces here is kept.
    """
    site.deployed()
    console = terminal(click.get_current_context(), as_json=as_json)
    target = _target(site, file, into)
    with laid(place_of(site.topology, site.lead, alias)) as hand:
        told = look(hand)
        intent = None if raw else intend(told, site.topology.scrub)
        engine = _engine(target, told["vendor"])
        _announce(site, told, intent, target, console)
        _agree(site, told, target, raw=raw, yes=yes)
        with _audited(site, raw=raw), tempfile.TemporaryDirectory(prefix="nuages-pull-") as folder:
            archive = Path(folder) / f"{site.topology.name}-{stamp()}.tar"
            manifest = pull(hand, intent, archive, console.progress, engine=engine)
            kept = put(target, archive, console)
    console.clear()
    _tell(manifest, target, kept, console)


Target = Path | Elsewhere | Place


def _target(site: Site, file: Path | None, into: str) -> Target:
    if file and into:
        raise UsageError("--to and --into are two places", hint="take one of them")
    if file:
        return file
    if into:
        return elsewhere(into, site.topology.root)
    here = site_here(site.topology)
    if here is None:
        hint = "--to shop.tar (a file), --into sqlite:///db.sqlite3 (a database of yours), or `nuages up` a site here first"
        raise UsageError(f"no site of {site.topology.root.name} lives on this machine; where should it go?", hint=hint)
    if not site.topology.remote and here[0].name == site.topology.name:
        raise UsageError("the site lives on this machine already", hint="nuages -e NAME db pull, or --to FILE")
    return here[1]


def _engine(target: Target, engine: str) -> str:
    """What the dump is to be, where that is another engine than the site's: SQLite, for a machine without PostgreSQL."""
    if isinstance(target, Path):
        wanted = engine_of(target, engine)
    elif isinstance(target, Elsewhere):
        wanted = target.engine
    else:
        with laid(target) as hand:
            wanted = str(hand.ask("facts")["engine"])
    if wanted == engine:
        return ""
    if (engine, wanted) != ("postgresql", "sqlite"):
        what = f"the site's database is {engine}, and {named(target)} is {wanted}"
        raise UsageError(what, hint="rows of PostgreSQL come into SQLite; for the others, --to FILE.tar keeps them as they are")
    return wanted


def named(target: Target) -> str:
    if isinstance(target, Place):
        return f"the database of {target.site} on this machine"
    return target.shown if isinstance(target, Elsewhere) else str(target)


def _announce(site: Site, told: dict[str, Any], intent: Intent | None, target: Target, console: Terminal) -> None:
    if console.as_json:
        return
    size = f"{told['size'] / 1e6:.1f} MB, about {count(sum(told['rows'].values()), 'row')}"
    click.echo(f"{target_of(site)}: {told['vendor']}, {size} -> {named(target)}", err=True)
    if intent:
        plan = intent.plan
        what = f"{count(len(plan.columns), 'column')} of {count(plan.tables, 'table')}"
        click.echo(f"scrubbed on the way: {what}; {count(len(plan.emptied), 'table')} without rows", err=True)
        warn(intent)


def _agree(site: Site, told: dict[str, Any], target: Target, *, raw: bool, yes: bool) -> None:
    if raw:
        permitted(site)
        rows = sum(told["rows"].values())
        meant(site, f"Everything in the database of {target_of(site)} comes to this machine, personal data and all.", yes=yes)
        if not yes and not click.confirm(f"About {rows} rows of real people's data in {named(target)}: are you sure?", err=True):
            raise UsageError("nothing was copied", where=site.topology.name)
    replaces = not isinstance(target, Path) or target.exists()
    if replaces and not yes and not click.confirm(f"This replaces {named(target)}. Go on?", default=True, err=True):
        raise UsageError("nothing was changed", where=named(target))


def _audited(site: Site, *, raw: bool) -> contextlib.AbstractContextManager[Any]:
    """Who took people's data away, and when, is in the host's audit log."""
    if not raw:
        return contextlib.nullcontext()
    return deploy_lock(site.lead, site.layout, "db pull --raw", reason="personal data leaves the server")


def put(target: Target, archive: Path, console: Terminal) -> str:
    """Where what it replaced is kept."""
    if isinstance(target, Place):
        lock = deploy_lock(target.host, target.layout, "db pull")
        with laid(target) as hand, lock as token:
            return _restored(hand, archive, token, console)
    if isinstance(target, Elsewhere):
        return fill(target, archive, console.progress)
    if target.suffix == ".tar":
        target.touch(mode=0o600)
        target.write_bytes(archive.read_bytes())
    else:
        take_out(archive, target)
    return ""


def _restored(hand: Hand, archive: Path, token: str, console: Terminal) -> str:
    """The code here may be newer than the server's: its migrations are run on what came."""
    return restore(hand, str(archive), token, console.step, migrate=True).kept


def _tell(manifest: dict[str, Any], target: Target, kept: str, console: Terminal) -> None:
    rows = sum(manifest["tables"].values())
    if console.as_json:
        told = {"event": "pulled", "to": named(target), "rows": rows, "bytes": manifest["bytes"], "kept": kept}
        click.echo(json.dumps({**told, "scrubbed": manifest.get("scrubbed")}))
        return
    click.echo(f"{named(target)}: {count(rows, 'row')}, {manifest['bytes'] / 1e6:.1f} MB, {console.elapsed()}")
    if kept:
        click.echo(f"what it replaced is kept as {kept}")
