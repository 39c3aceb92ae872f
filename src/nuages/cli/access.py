"""nuages access: who may come to the site's servers, people and deploy keys."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from nuages.cli.console import table
from nuages.cli.site import Site, json_option, permitted, root_of, terminal, with_site
from nuages.components.base.access import Key, keys_of
from nuages.deploy import deploy
from nuages.engine.access import Lying, host_keys, look, plain_key, take_keys, write_access
from nuages.engine.model import Seat
from nuages.engine.request import Request, user
from nuages.errors import UsageError
from nuages.hosts import together
from nuages.topology.access import deploy_login


NAME = r"[a-z0-9][a-z0-9._-]{0,39}"
DEPLOY_KEYS, TEAM = "deploy_keys", "team"


@click.group(invoke_without_command=True)
@click.pass_context
def command(ctx: click.Context) -> None:
    """Who may come to the site's servers: people of the team, and deploy keys for CI."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_)


@command.command("list")
@json_option
@with_site
def list_(site: Site, as_json: bool = False) -> None:
    """Keys on all hosts of the site: whose, since when, and by whom they were added."""
    seats = _seats(site)
    rows = _rows(seats, _looked(seats))
    if as_json:
        click.echo(json.dumps(rows))
        return
    cells = [(r["name"], r["kind"], r["login"], r["fingerprint"], r["since"][:10], r["by"], r["note"]) for r in rows]
    click.echo(table(cells, ("NAME", "KIND", "LOGIN", "FINGERPRINT", "SINCE", "BY", "")))


@command.command("add")
@click.argument("name")
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, allow_dash=True), metavar="[PUBKEY-FILE|-]")
@json_option
@with_site
def add(site: Site, name: str, file: str | None, as_json: bool) -> None:
    """Let a person log in to all hosts of the site with an SSH key: equal to root there, for all sites of those hosts."""
    _add(site, TEAM, name, file, as_json=as_json)


@command.command("add-deploy-key")
@click.argument("name")
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, allow_dash=True), metavar="[PUBKEY-FILE|-]")
@json_option
@with_site
def add_deploy_key(site: Site, name: str, file: str | None, as_json: bool) -> None:
    """Let a key deploy this site and nothing else: no shell, no other site, no change of the server."""
    _add(site, DEPLOY_KEYS, name, file, as_json=as_json)


@command.command("remove")
@click.argument("name", metavar="NAME|SHA256:...")
@click.option("--in-use", is_flag=True, help="Even the key that this very connection came by.")
@json_option
@with_site
def remove(site: Site, name: str, in_use: bool, as_json: bool) -> None:
    """Take a person's key or a deploy key from all hosts. The last key of a login stays."""
    permitted(site)
    seats = _seats(site)
    access = dict(seats[0].live.access)
    gone = [key for kind in (TEAM, DEPLOY_KEYS) for key in keys_of(access, kind) if name in (key.name, key.fingerprint)]
    lying = _looked(seats)
    prints = {key.fingerprint for key in gone if key not in keys_of(access, DEPLOY_KEYS)}
    prints |= {print_ for each in lying for print_, comment in each.fingerprints.items() if name in (print_, comment)}
    if not gone and not prints:
        raise UsageError(f"nobody is called {name} here", hint="nuages access list")
    _refuse_lockout(lying, prints, in_use=in_use)
    for kind in (TEAM, DEPLOY_KEYS):
        access[kind] = [asdict(key) for key in keys_of(access, kind) if key not in gone]
    write_access(seats, access, f"remove {name}")
    for seat, each in zip(seats, lying, strict=True):
        take_keys(seat, each, tuple(prints))
    if not as_json:
        click.echo(f"{name} is let in no more on {', '.join(seat.live.host.name for seat in seats)}")
    _converge(site, f"access remove {name}", as_json=as_json)


@command.command("host-keys")
@json_option
@with_site
def host_keys_(site: Site, as_json: bool) -> None:
    """Print the hosts' own keys as lines of known_hosts, for a machine that has never been there."""
    lines = [line for seat in _seats(site) for line in host_keys(seat)]
    click.echo(json.dumps(lines) if as_json else "\n".join(lines))


# --- how it is done ------------------------------------------------------------------------------------------------


def _seats(site: Site) -> tuple[Seat, ...]:
    if not site.topology.remote:
        what = "this site is on this machine, where nobody logs in to it"
        raise UsageError(what, where=str(site.topology.root), hint="nuages init --host: keys are of servers")
    site.deployed()
    return site.seats()


def _looked(seats: Sequence[Seat]) -> list[Lying]:
    by_transport = {id(seat.transport): seat for seat in seats}
    return together([seat.transport for seat in seats], lambda transport: look(by_transport[id(transport)]))


def _add(site: Site, kind: str, name: str, file: str | None, *, as_json: bool) -> None:
    permitted(site)
    if not re.fullmatch(NAME, name):
        raise UsageError(f"{name!r} can't name a key", hint="small letters, digits, and . _ - between them")
    text = sys.stdin.read() if file in (None, "-") else Path(str(file)).expanduser().read_text(encoding="utf-8")
    found = _read_key(text, file or "standard input")
    seats = _seats(site)
    access = dict(seats[0].live.access)
    new = Key(name, found, datetime.now(tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), user())
    for other in (key for each in (TEAM, DEPLOY_KEYS) for key in keys_of(access, each)):
        if other.fingerprint == new.fingerprint or other.name == name:
            same = "has that name" if other.name == name else "is that key"
            raise UsageError(f"{other.name} ({other.fingerprint}) {same} already", hint=f"nuages access remove {other.name}")
    if kind == DEPLOY_KEYS:
        _refuse_persons(_looked(seats), new)
    access[kind] = [*access.get(kind, ()), asdict(new)]
    write_access(seats, access, f"add {name}")
    _converge(site, f"access add {name}", as_json=as_json)
    if not as_json and kind == DEPLOY_KEYS:
        click.echo(
            f"{name} deploys {site.topology.name}, as {deploy_login(site.topology.account)}; nuages ci init writes the rest"
        )


def _read_key(text: str, where: str) -> str:
    if "PRIVATE KEY" in text:
        raise UsageError("this is a private key, which stays where it is", where=where, hint="give the .pub file beside it")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    key, _comment = plain_key(lines[0]) if len(lines) == 1 else ("", "")
    if not key:
        raise UsageError("this is not one public key of OpenSSH", where=where, hint="ssh-keygen -t ed25519 makes a pair")
    return key


def _refuse_persons(lying: Sequence[Lying], key: Key) -> None:
    """A key that opens a shell already is no deploy key."""
    for each in lying:
        if key.fingerprint in each.fingerprints:
            hint = "make a key of its own for CI: ssh-keygen -t ed25519"
            raise UsageError(f"this key logs in as {each.login} on {each.host} already, with a shell", hint=hint)


def _refuse_lockout(lying: Sequence[Lying], gone: set[str], *, in_use: bool) -> None:
    for each in lying:
        held = set(each.fingerprints)
        if held & gone and not held - gone:
            hint = "add another one first: nuages access add NAME key.pub"
            raise UsageError(f"this is the last key of {each.login} on {each.host}; it stays", hint=hint)
        if each.in_use in gone and not in_use:
            hint = "remove it from a login with another key, or say --in-use"
            raise UsageError(f"this is the key that you came by to {each.host}; it stays", hint=hint)


def _converge(site: Site, what: str, *, as_json: bool) -> None:
    ctx = click.get_current_context()
    console = terminal(ctx, as_json=as_json)
    console.calm = "nothing else has to be changed"
    deploy(Request(root=root_of(ctx), what="access", source="live", why=what), console)


def _rows(seats: Sequence[Seat], lying: Sequence[Lying]) -> list[dict[str, Any]]:
    access = seats[0].live.access
    rows = [_row(key.name, "deploy key", "", key.fingerprint, key) for key in keys_of(access, DEPLOY_KEYS)]
    managed = {key.fingerprint: key for key in keys_of(access, TEAM)}
    found = {print_: comment for each in lying for print_, comment in each.fingerprints.items()}
    for print_, comment in {**found, **{print_: key.name for print_, key in managed.items()}}.items():
        lacks = [each.host for each in lying if print_ not in each.fingerprints]
        notes = [f"not on {', '.join(lacks)}"] if lacks else []
        notes += ["in use now"] if any(each.in_use == print_ for each in lying) else []
        rows.append(_row(comment, "person", lying[0].login, print_, managed.get(print_), "; ".join(notes)))
    return rows


def _row(name: str, kind: str, login: str, print_: str, added: Key | None, note: str = "") -> dict[str, Any]:
    since, by = (added.since, added.by) if added else ("", "")
    return {"name": name, "kind": kind, "login": login, "fingerprint": print_, "since": since, "by": by, "note": note}
