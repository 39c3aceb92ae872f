"""nuages db push: a dump of this machine becomes a site's database."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from nuages.cli.console import Terminal, count
from nuages.cli.meant import meant, target_of, yes_option
from nuages.cli.site import Site, json_option, permitted, terminal, with_site
from nuages.data.dump import UNLOCKED, bring, dump, forget, stamp
from nuages.data.hand import laid, place_of
from nuages.data.push import Pushed, as_archive, manifest_of, push
from nuages.data.targets import site_here
from nuages.engine.lock import deploy_lock
from nuages.errors import UsageError


LOCAL = "local"


@click.command("push", short_help="A dump of this machine becomes a site's database.")
@click.argument("source", metavar="FILE|local")
@click.option("--database", "alias", default="default", show_default=True, help="Alias in DATABASES.")
@click.option("--migrate", is_flag=True, help="Run migrations that the dump lacks, before it goes live.")
@click.option("--newer", is_flag=True, help="Take a dump with migrations that the live release does not know.")
@click.option("--wait-lock", type=float, default=0, help="Seconds to wait for somebody else's deploy.")
@yes_option
@json_option
@with_site
def command(site: Site, source: str, alias: str, migrate: bool, newer: bool, wait_lock: float, yes: bool, as_json: bool) -> None:
    """Replace the database of a site by FILE (of db pull or db backup, or a file of SQLite), or by that of the local site.

    It is loaded beside the live one, checked, and then the two change places under the maintenance page; what was live is
    kept. Rows of SQLite are moved into PostgreSQL, and each value is compared.
    """
    live = site.deployed()
    permitted(site)
    console = terminal(click.get_current_context(), as_json=as_json)
    with found(site, source, console) as archive:
        manifest = manifest_of(archive)
        rows = count(sum(manifest["tables"].values()), "row")
        size = archive.stat().st_size / 1e6
        what = f"{source} ({manifest['engine']}, {rows}, {size:.1f} MB, of {manifest['at']})"
        meant(site, f"This replaces the database of {target_of(site)} with {what}; what it replaces is kept.", yes=yes)
        place = place_of(site.topology, site.lead, alias)
        lock = deploy_lock(site.lead, site.layout, "db push", reason=source, wait=wait_lock)
        with laid(place) as hand, lock as token:
            engine = hand.ask("facts")["engine"]
            how = {"migrate": migrate, "newer": newer, "page": not live.maintenance}
            pushed = push(hand, archive, engine, token, console.step, console.progress, **how)
    console.clear()
    tell(site, pushed, as_json=as_json)


@contextmanager
def found(site: Site, source: str, console: Terminal) -> Iterator[Path]:
    """An archive on this machine."""
    with tempfile.TemporaryDirectory(prefix="nuages-push-") as folder:
        if source == LOCAL:
            yield _of_local(site, Path(folder), console)
            return
        path = Path(source)
        if not path.is_file():
            raise UsageError(f"there is no file {source}", hint="a .tar of `nuages db pull --to`, a file of SQLite, or: local")
        with as_archive(path, Path(folder)) as archive:
            yield archive


def _of_local(site: Site, folder: Path, console: Terminal) -> Path:
    here = site_here(site.topology)
    if here is None or not site.topology.remote:
        raise UsageError("no site of this project lives on this machine", hint="give a FILE, or `nuages up` one here first")
    archive = folder / "local.tar"
    with laid(here[1]) as hand:
        path = f"{here[1].dumps}/{here[1].site}-pushed-{stamp()}.tar"
        dump(hand, path, UNLOCKED, console.step)
        bring(hand, path, archive, console.progress)
        forget(hand, path)
    return archive


def tell(site: Site, pushed: Pushed, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"event": "pushed", "kept": pushed.kept, "rows": pushed.rows, "moved": pushed.moved}))
        return
    click.echo(f"{site.topology.name} has it: {count(pushed.rows, 'row')}")
    click.echo(f"what it had is kept as {pushed.kept}: nuages db restore --undo, or nuages db drop {pushed.kept}")
