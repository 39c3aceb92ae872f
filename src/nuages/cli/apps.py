"""nuages apps: every site on this machine, and on the servers of this project."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from nuages.cli.console import table
from nuages.cli.site import json_option, root_of
from nuages.errors import HostError
from nuages.hosts import reach
from nuages.hosts.transport import Transport
from nuages.release.layout import local_site, server_site
from nuages.topology import load_topology


LEDGER = "/var/lib/nuages/ledger.json"


@dataclass(frozen=True)
class App:
    name: str
    where: str
    release: str
    commit: str
    since: str
    folder: str


@click.command()
@json_option
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """List every site on this machine, and on the servers that this project's nuages.toml names."""
    found = list(_here())
    topology = load_topology(root_of(ctx))
    with reach(topology) as hosts:
        for host in hosts.all if topology.remote else ():
            try:
                found += _there(host)
            except HostError as error:
                click.echo(click.style(f"  {host.name}: {error}", fg="yellow"), err=True)
    if as_json:
        click.echo(json.dumps([asdict(app) for app in found], indent=1))
    elif found:
        rows = [
            (app.name, app.where, app.release, app.commit, app.since.replace("T", " ").replace("Z", ""), app.folder)
            for app in found
        ]
        click.echo(table(rows, ("name", "where", "release", "commit", "since (UTC)", "folder")))
    else:
        click.echo("none yet; nuages create")


def _here() -> list[App]:
    folder = local_site("x").dir.parent
    names = sorted(path.parent.name for path in folder.glob("*/site.json"))
    return [_app(name, "this machine", folder / name, _json(folder / name / "site.json")) for name in names]


def _app(name: str, where: str, folder: Path, site: Any) -> App:
    return _told(name, where, _json(folder / "live" / "release.json") or {}, str((site or {}).get("root", "")))


def _told(name: str, where: str, release: dict[str, Any], root: str) -> App:
    commit = str(release.get("commit") or "")[:8] + ("+" if release.get("dirty") and release.get("commit") else "")
    number = f"v{release['number']}" if release else "not live"
    return App(name, where, number, commit, str(release.get("at", "")), root)


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _there(host: Transport) -> list[App]:
    ledger = host.read({"ledger": {"kind": "json", "path": LEDGER}})["ledger"] or {}
    names = sorted(ledger.get("sites", {}))
    asked = {name: {"kind": "json", "path": str(server_site(name).live / "release.json")} for name in names}
    answers = host.read(asked) if asked else {}
    return [_told(name, host.name, answers[name] or {}, str(server_site(name).dir)) for name in names]
