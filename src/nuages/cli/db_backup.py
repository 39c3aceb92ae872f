"""nuages db backup: a dump, on the host or in a file here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from nuages.cli.site import Site, json_option, terminal, with_site
from nuages.data.dump import UNLOCKED, bring, dump, forget, stamp
from nuages.data.hand import laid, place_of
from nuages.errors import UsageError


@click.command("backup")
@click.argument("file", required=False, type=click.Path(dir_okay=False, path_type=Path))
@click.option("--database", "alias", default="default", show_default=True, help="Alias in DATABASES.")
@json_option
@with_site
def command(site: Site, file: Path | None, alias: str, as_json: bool) -> None:
    """Dump the live database: into FILE on this machine, or kept on the host (nuages db list).

    The site goes on meanwhile; the dump sees one instant. It holds what the database holds: keep it as you would keep that.
    """
    site.deployed()
    if file and file.exists():
        raise UsageError("this file is there already; nothing was dumped", where=str(file), hint="name another, or remove it")
    if file and not file.resolve().parent.is_dir():
        raise UsageError("there is no such folder", where=str(file.resolve().parent))
    console = terminal(click.get_current_context(), as_json=as_json)
    place = place_of(site.topology, site.lead, alias)
    name = f"{site.topology.name}-{'' if alias == 'default' else alias + '-'}{stamp()}"
    path = f"{place.dumps}/{name}.tar"
    with laid(place) as hand:
        manifest = dump(hand, path, UNLOCKED, console.step)
        if file:
            bring(hand, path, file, console.progress)
            forget(hand, path)
    console.clear()
    tell(manifest, str(file or name), as_json=as_json, there="" if file else f" on {site.lead.name}: nuages db restore {name}")


def tell(manifest: dict[str, Any], where: str, *, as_json: bool, there: str = "") -> None:
    rows, tables, size = sum(manifest["tables"].values()), len(manifest["tables"]), manifest["bytes"]
    if as_json:
        told = {"event": "dumped", "to": where, "bytes": size, "rows": rows, "tables": tables, "engine": manifest["engine"]}
        click.echo(json.dumps(told))
        return
    click.echo(f"{where}: {rows} rows of {tables} tables, {size / 1e6:.1f} MB{there}")
