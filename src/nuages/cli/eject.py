"""nuages eject: the whole as plain files and notes, to go on without Nuages."""

from __future__ import annotations

from pathlib import Path

import click

from nuages.cli.site import Site, root_of, terminal, with_site
from nuages.engine.compose import compose_all
from nuages.engine.ejecting import Ejected, eject
from nuages.engine.model import UNSIGNED
from nuages.engine.prepare import prepare
from nuages.engine.readying import given_certificates, settle_topology
from nuages.engine.request import Request
from nuages.errors import UsageError
from nuages.settings.configuration import load_configuration


FOLDER = "nuages-ejected"


@click.command()
@click.option("--to", "folder", type=click.Path(file_okay=False), default=FOLDER, show_default=True, help="Where.")
@with_site
def command(site: Site, folder: str) -> None:
    """Write what lies on the servers as plain files, with the commands that make them matter. Changes nothing there."""
    if not site.topology.remote:
        raise UsageError(
            "this site lives on this machine", hint="its files are plain already; `nuages settings eject` for the settings"
        )
    ctx = click.get_current_context()
    live, console = site.deployed(), terminal(click.get_current_context())
    sites = site.seats()
    topology = settle_topology(site.topology, sites)
    request = Request(root=root_of(ctx), what="eject", source="live")
    prepared = prepare(request, site.work(live, console.progress), site.lead, console)
    builds = tuple(prepared.build for _seat in sites)
    config = load_configuration(live.config)
    desired = compose_all(
        topology,
        sites,
        builds,
        config,
        prepared.policy,
        "eject",
        UNSIGNED,
        given_certificates(topology, site.hosts.here, console),
    )
    for each in desired:
        name = each.placement.host.name
        _write(Path(folder) / name, eject(each.descriptions, site=topology.name, host=name))
    if folder == FOLDER:  # in the project: the next release shall not contain it
        (Path(folder) / ".gitignore").write_text("*\n", encoding="utf-8")
    click.echo(f"wrote {folder}: one folder for each host, README.md in it says what to do by hand")


def _write(place: Path, ejected: Ejected) -> None:
    for path, content in ejected.files.items():
        target = place / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content, encoding="utf-8")
        target.chmod(ejected.modes.get(path, 0o644))
