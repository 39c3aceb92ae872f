"""nuages destroy: the site and everything of it."""

from __future__ import annotations

import shutil

import click

from nuages.cli.down import stop
from nuages.cli.site import Site, terminal, with_site
from nuages.engine.model import Live
from nuages.errors import UsageError


@click.command()
@click.option("--yes", "name", metavar="NAME", help="Don't ask; the site's name shows that it is meant.")
@click.option("--keep-data", is_flag=True, help="Leave the database, the uploaded files, the snapshots and the configuration.")
@click.option("--with-data", is_flag=True, help="On servers, where data stays: remove it too. Asks a second time.")
@with_site
def command(site: Site, name: str | None, keep_data: bool, with_data: bool) -> None:
    """Remove the site: from this machine with its database and uploads, from servers without. Asks."""
    live = site.live()
    if not live.site and not live.config and not live.builds:
        raise UsageError(f"there is no site called {site.topology.name} here")
    wanted = site.topology.name
    if name is None:
        click.echo(_what(site, live, keep_data=keep_data, with_data=with_data))
        name = click.prompt(f"Type the site's name ({wanted}) to go on", default="", show_default=False)
        if with_data and site.topology.remote and name == wanted:
            name = click.prompt(f"No backup is made. Type {wanted} again to remove its data", default="", show_default=False)
    if name != wanted:
        raise UsageError(f"{name!r} is not its name; nothing was removed")
    if site.topology.remote:
        _leave_servers(site, with_data=with_data)
        return
    stop(site)
    _remove(site, keep_data=keep_data)
    click.echo(f"{wanted} is gone" + (f"; its data stays in {site.layout.dir}" if keep_data else ""))


def _what(site: Site, live: Live, *, keep_data: bool, with_data: bool) -> str:
    if not site.topology.remote:
        return f"This removes {site.layout.dir}" + ("" if keep_data else ", with its database and uploaded files")
    hosts = ", ".join(host.name for host in site.hosts.all)
    data = "its database, uploads, snapshots and configuration too" if with_data else "its data stays"
    return f"This removes {site.topology.name} from {hosts}, and puts back what lay there before; {data}"


def _remove(site: Site, *, keep_data: bool) -> None:
    if not keep_data:
        shutil.rmtree(site.layout.dir)
        return
    for entry in site.layout.dir.iterdir():
        if entry.name not in ("shared", "snapshots", "config"):
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()


def _leave_servers(site: Site, *, with_data: bool) -> None:
    """Every host is left as it was found. What a killed client left undone is done by the same command again."""
    from nuages.engine.leaving import JOURNAL, leave
    from nuages.engine.readiness import questions, understand

    console = terminal(click.get_current_context())
    stop(site)
    for seat in site.seats():
        host, site_name = seat.transport, site.topology.name
        ready = understand(host.read(questions((), site_name)))
        login = str(seat.live.machine.facts.get("login") or "root")
        leaving = leave(ready, host=host.name, site=site_name, layout=site.layout, login=login, data=with_data)
        steps = [{"text": str(s), "deploy": "destroy", "ops": list(s.ops), "undo": []} for s in leaving.steps]
        console.expect(leaving.steps)
        host.write(steps, JOURNAL, console.step)
        for kept in leaving.kept:
            click.echo(click.style(f"  stays: {kept}", dim=True))
    click.echo(f"{site.topology.name} is gone from {', '.join(host.name for host in site.hosts.all)}")
