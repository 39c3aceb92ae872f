"""nuages addons: databases, caches and queues, and the variables that they give."""

from __future__ import annotations

import json
from dataclasses import replace

import click

from nuages.cli.console import table
from nuages.cli.declare import declare
from nuages.cli.inside import enter, manage
from nuages.cli.site import Site, json_option, with_site
from nuages.components.budget import MIB
from nuages.components.cache.store import store
from nuages.engine.addons import KEEPS, ROLES, Addon, addons_of, chosen_cache, known_name, refuse_change, with_role
from nuages.engine.model import Live
from nuages.errors import UsageError
from nuages.settings.configuration import load_configuration


CLIENTS = {"valkey": "valkey-cli", "redis": "redis-cli"}
PACKAGES = {"valkey": "valkey-server", "redis": "redis-server", "memcached": "memcached"}
ABOUT = "select 'active, PostgreSQL', current_setting('server_version'), pg_size_pretty(pg_database_size(current_database()))"


@click.group(invoke_without_command=True)
@json_option
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """Databases, caches and queues of the site, and the variables that they give. Alone: list them."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(listing, as_json=as_json)


def found_on(site: Site, live: Live) -> tuple[Addon, ...]:
    config = load_configuration(live.config) if live.config else None
    return addons_of(site.topology, live.machine, live.manifest or {}, config.env if config else {})


@command.command("list")
@json_option
@with_site
def listing(site: Site, as_json: bool) -> None:
    """List them."""
    live = site.live()
    found = found_on(site, live)
    if as_json:
        click.echo(json.dumps([addon.as_dict() for addon in found], indent=1))
        return
    if not found:
        click.echo("none; nuages addons create postgresql")
        return
    rows = [(a.name, a.role + (" and queue" if a.queue else ""), _memory(a.memory), _variables(a), a.what) for a in found]
    click.echo(table(rows, ("add-on", "is the", "memory", "gives", "")))
    if not live.release and site.topology.remote:
        click.echo(click.style(f"they come with the first deploy; {site.verb}", dim=True))


def _variables(addon: Addon) -> str:
    ours = [name for name in addon.gives if name not in addon.yours]
    return " ".join([*ours, *(f"{name} (set by you)" for name in addon.yours)])


def _memory(number: int) -> str:
    return f"{number // MIB} MB" if number else ""


@command.command()
@click.argument("name", required=False)
@with_site
def plans(site: Site, name: str | None) -> None:
    """What may be had, and its share of this server. Nothing is billed: the plan is the server's size."""
    machine, rows = site.live().machine, []
    for wish, role in ROLES.items():
        if name and wish != known_name(name):
            continue
        services = with_role(site.topology.services, role, wish)
        found = addons_of(replace(site.topology, services=services), machine, {}, {})
        share = next((_memory(addon.memory) for addon in found if addon.name == wish), "")
        rows.append((wish, role + (" and queue" if wish in KEEPS else ""), share))
    click.echo(table(rows, ("add-on", "is the", "memory here")))
    click.echo(click.style("a share follows from the server's memory; more of it is a larger server", dim=True))


@command.command()
@click.argument("name")
@json_option
@with_site
def info(site: Site, name: str, as_json: bool) -> None:
    """One add-on: whether it runs, its version and size, its variables. NAME may be its role: database, cache."""
    live = site.live()
    addon = _one_of(site, live, name)
    facts = {"state": "", "version": ""}
    if site.topology.remote and addon.name in (*PACKAGES, "postgresql"):
        asked = _questions(site, addon)
        answers = site.lead.read(asked)
        facts |= {key: answers[key]["stdout"].strip() for key in asked}
    if as_json:
        click.echo(json.dumps({**addon.as_dict(), **facts}, indent=1))
        return
    click.echo(f"{click.style(addon.name, bold=True)}  {addon.what}")
    told = {
        **facts,
        "memory": _memory(addon.memory),
        **{n: v if n not in addon.yours else "set by you" for n, v in addon.gives.items()},
    }
    for key, value in told.items():
        if value:
            click.echo(f"  {key + ':':<15} {value}")


def _questions(site: Site, addon: Addon) -> dict[str, dict[str, object]]:
    if addon.name == "postgresql":
        argv = ["psql", "-XAtF", " ", "-c", ABOUT]
        return {"state": {"kind": "command", "argv": argv, "user": site.topology.account}}
    unit, package = store(site.topology, "cache").unit, PACKAGES[addon.name]
    return {
        "state": {"kind": "command", "argv": ["systemctl", "is-active", unit]},
        "version": {"kind": "command", "argv": ["dpkg-query", "-W", "-f", "${Version}", package]},
    }


def _one_of(site: Site, live: Live, wish: str) -> Addon:
    found = found_on(site, live)
    name = wish if wish in ("database", "cache") else wish.partition(":")[0].lower()
    for addon in found:
        if name in (addon.name, addon.role) or (
            name != addon.role and name not in ("database", "cache") and addon.name == _ours(wish)
        ):
            return addon
    raise UsageError(f"the site has no {wish}", hint="it has " + (", ".join(addon.name for addon in found) or "none"))


def _ours(wish: str) -> str:
    try:
        return known_name(wish)
    except UsageError:
        return wish


@command.command("open")
@click.argument("name", default="database")
@with_site
def open_(site: Site, name: str) -> None:
    """Open the add-on's own client: psql, or the cache's command line."""
    live = site.deployed()
    addon = _one_of(site, live, name)
    if addon.role == "database" or "DATABASE_URL" in addon.yours:
        manage(site, "dbshell")
        return
    if addon.name not in CLIENTS:
        raise UsageError(f"{addon.name} has no client of its own", hint="nuages shell, and django.core.cache.cache")
    enter(site, (CLIENTS[addon.name], "-s", store(site.topology, "cache").socket))


@command.command()
@click.argument("name")
@json_option
@with_site
def create(site: Site, name: str, as_json: bool) -> None:
    """Add one: in nuages.toml, then on the servers. Shows the plan and asks."""
    _on_servers(site)
    live, wish = site.live(), known_name(name)
    now = _now(site, live, ROLES[wish])
    if now == wish:
        raise UsageError(f"{wish} is there already", hint=f"nuages addons info {wish}")
    if now != "none" and ROLES[wish] == "cache" and live.release:
        raise UsageError(f"{now} is the cache already", hint=f"nuages addons upgrade {now} {wish}")
    refuse_change(now, wish, live.manifest or {}, deployed=bool(live.release))
    _change(site, ROLES[wish], wish, "addons create", as_json=as_json)


@command.command()
@click.argument("name")
@click.argument("to", required=False)
@json_option
@with_site
def upgrade(site: Site, name: str, to: str | None, as_json: bool) -> None:
    """Put another in its place: nuages addons upgrade memcached valkey. Shows the plan and asks."""
    _replace(site, name, to, "addons upgrade", as_json=as_json)


@command.command()
@click.argument("name")
@click.argument("to", required=False)
@json_option
@with_site
def downgrade(site: Site, name: str, to: str | None, as_json: bool) -> None:
    """The same downwards: nuages addons downgrade valkey memcached."""
    _replace(site, name, to, "addons downgrade", as_json=as_json)


def _replace(site: Site, name: str, to: str | None, what: str, *, as_json: bool) -> None:
    _on_servers(site)
    live = site.live()
    addon = _one_of(site, live, name)
    others = [other for other, role in ROLES.items() if role == addon.role and other != addon.name]
    if not to or to[0].isdecimal():
        raise UsageError(
            f"{addon.name} has no plans: its share of memory ({_memory(addon.memory) or 'the site itself'}) follows from the server's, "
            "its version from the system's packages",
            hint="a larger server"
            + (f", or another in its place: nuages {what} {addon.name} {others[0]}" if addon.role == "cache" else ""),
        )
    wish = known_name(to)
    if ROLES[wish] != addon.role:
        raise UsageError(f"{wish} is a {ROLES[wish]}, and {addon.name} is a {addon.role}", hint="there are " + ", ".join(others))
    if wish == addon.name:
        raise UsageError(f"it is {wish} already")
    refuse_change(addon.name, wish, live.manifest or {}, deployed=bool(live.release))
    if addon.queue:
        _meant(addon.name, f"What waits in the queue of {addon.name} does not come along; let the workers empty it first.")
    _change(site, addon.role, wish, what, as_json=as_json)


@command.command()
@click.argument("name")
@click.option("--confirm", metavar="NAME", default="", help="Don't ask; the add-on's name shows that it is meant.")
@json_option
@with_site
def destroy(site: Site, name: str, confirm: str, as_json: bool) -> None:
    """Take one away: from nuages.toml, then from the servers. Asks for its name where it keeps data."""
    _on_servers(site)
    live = site.live()
    addon = _one_of(site, live, name)
    if addon.role == "elsewhere":
        raise UsageError(f"{addon.name} is not ours", hint=f"nuages config unset {' '.join(addon.yours)}")
    if live.release and addon.role == "database":
        _meant(addon.name, _of_database(site, addon), confirm)
    elif live.release and addon.queue:
        _meant(addon.name, "What waits in its queue is lost.", confirm)
    _change(site, addon.role, "none", "addons destroy", as_json=as_json)


def _of_database(site: Site, addon: Addon) -> str:
    return (
        f"The site loses its database: what its settings or DATABASE_URL name otherwise counts then. The rows of {addon.name} stay "
        f"on the server until `nuages destroy --with-data`; a copy of them is `nuages db backup`."
    )


def _meant(name: str, what: str, confirm: str = "") -> None:
    if not confirm:
        click.echo(what)
        confirm = click.prompt(f"Type {name} to go on", default="", show_default=False)
    if confirm != name:
        raise UsageError(f"{confirm!r} is not its name; nothing was changed")


def _change(site: Site, role: str, wish: str, what: str, *, as_json: bool) -> None:
    """Another service is another environment and other settings: the project in this folder is built."""
    services = with_role(site.topology.services, role, wish)
    changes: dict[tuple[str, ...], str] = {("services", role): wish}
    declare(site, changes, what, source="project", overrides={"services": services}, as_json=as_json)


def _now(site: Site, live: Live, role: str) -> str:
    return site.topology.services.database if role == "database" else chosen_cache(site.topology, live.machine)


def _on_servers(site: Site) -> None:
    if not site.topology.remote:
        raise UsageError(
            "on this machine no service is installed",
            hint="name one that runs: nuages config set DATABASE_URL=postgres://...; on a server: nuages create --host root@ADDRESS",
        )
