"""nuages db convert: a live site's rows move to PostgreSQL."""

from __future__ import annotations

import json
from pathlib import Path

import click

from nuages.cli.console import count
from nuages.cli.meant import meant, target_of, yes_option
from nuages.cli.site import Site, json_option, permitted, terminal, with_site
from nuages.data.convert import Facts, facts_of, refuse, request_for
from nuages.data.hand import laid, place_of
from nuages.deploy import deploy
from nuages.errors import UsageError
from nuages.topology.editing import declared, put
from nuages.topology.environments import PRODUCTION
from nuages.topology.loading import FILE


@click.command("convert", short_help="A live site's rows move to PostgreSQL.")
@click.option(
    "--to", "to", required=True, metavar="postgresql|URL", help="The server's own PostgreSQL, or a database of this address."
)
@click.option("--wait-lock", type=float, default=0, help="Seconds to wait for somebody else's deploy.")
@yes_option
@json_option
@with_site
def command(site: Site, to: str, wait_lock: float, yes: bool, as_json: bool) -> None:
    """Move the rows of a live site from SQLite or MySQL to PostgreSQL, and the site with them.

    It is a deploy: behind the maintenance page, every row is copied and every value compared; then the new release starts on
    the new database. Where anything fails, the old release goes on with the old database, which is kept in any case.
    """
    url = _address(site, to)
    live = site.deployed()
    permitted(site)
    console = terminal(click.get_current_context(), as_json=as_json)
    with laid(place_of(site.topology, site.lead)) as hand:
        facts = facts_of(hand)
        refuse(facts)
        if not as_json:
            _announce(site, facts)
        meant(site, f"This moves {target_of(site)} to PostgreSQL.", yes=yes)
        plan = deploy(request_for(site.topology, live, hand, url=url, wait=wait_lock), console)
    if plan.empty:
        return
    edited = "" if url else _declare(site)
    if as_json:
        told = {"event": "converted", "release": plan.facts["release"], "rows": facts.rows, "tables": facts.tables}
        click.echo(json.dumps(told))
        return
    click.echo(
        f"v{plan.facts['release']} is live on PostgreSQL: {count(facts.rows, 'row')} of {count(facts.tables, 'table')}, each value compared"
    )
    click.echo(f"the old database is kept as it was, and takes no more writes{edited}")


def _address(site: Site, to: str) -> str:
    if to.partition("://")[0] in ("postgres", "postgresql", "postgis") and "://" in to:
        return to
    if to != "postgresql":
        raise UsageError(
            "rows are moved to PostgreSQL", where="--to", hint="--to postgresql, or --to postgres://user:password@host/name"
        )
    if not site.topology.remote:
        hint = "--to postgres://user:password@host/name"
        raise UsageError("on this machine the database is yours to make: say where it is", where="--to", hint=hint)
    return ""


def _announce(site: Site, facts: Facts) -> None:
    size = f"{facts.bytes / 1e6:.1f} MB, " if facts.bytes else ""
    what = f"{count(facts.tables, 'table')}, {size}{count(facts.rows, 'row')}"
    click.echo(f"{target_of(site)}: {facts.vendor}, {what}; visitors see the maintenance page for about {facts.seconds} s")
    if facts.unnamed:
        click.echo(f"no model names {', '.join(facts.unnamed)}: moved where a migration makes them, else they stay behind")


def _declare(site: Site) -> str:
    """nuages.toml says so from now on; without, the next deploy would go back to the old database."""
    path: Path = site.topology.root / FILE
    text = path.read_text(encoding="utf-8")
    environment = site.topology.environment
    key = ("services", "database") if environment == PRODUCTION else ("env", environment, "services", "database")
    inherited = declared(text, ("services", "database"))
    if declared(text, key) is None and inherited in (None, "postgresql"):
        return ""
    path.write_text(put(text, key, "postgresql"), encoding="utf-8")
    return f'; {FILE} now says database = "postgresql": commit it'
