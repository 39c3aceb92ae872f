"""nuages mail: does mail leave the site?"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import click

from nuages.cli.site import Site, json_option, with_site
from nuages.errors import MailError
from nuages.insight.inside import ask_inside


FORM = "smtp+tls://USER:PASSWORD@smtp.example:587"
OPEN, SILENT = "open", "silent"


@click.group()
def command() -> None:
    """Mail of the site."""


@command.command()
@click.argument("addresses", nargs=-1, metavar="[ADDRESS]...")
@json_option
@with_site
def test(site: Site, addresses: tuple[str, ...], as_json: bool) -> None:
    """Send a message from the host by the site's own mail setup, to ADDRESS or to those who hear of errors."""
    live = site.deployed()
    to = addresses or site.topology.errors.mail
    told = ask_inside(site.lead, live, site.topology.account, "mailtest", *to, timeout=90)
    if as_json:
        click.echo(json.dumps(told, indent=1))
        click.get_current_context().exit(0 if told["ok"] else 1)
    if not told["ok"]:
        raise explained(told, site)
    click.echo("\n".join(click.style(line, dim=True) for line in told["dialogue"]))
    click.echo(f"sent to {', '.join(told['to'])} by {server_of(told)}, from {told['from']}")
    click.echo("taken by the server is not yet read by a person: look into the mailbox, and into its spam")


def server_of(told: Mapping[str, Any]) -> str:
    if not str(told["backend"]).endswith("smtp.EmailBackend"):
        return str(told["backend"])
    return f"{told['host']} port {told['port']}{' (TLS)' if told['ssl'] else ' (STARTTLS)' if told['tls'] else ''}"


def explained(told: Mapping[str, Any], site: Site) -> MailError:
    """What failed, where, and what to do about it."""
    where, kind = server_of(told), told["kind"]
    dialogue = "\n".join(told["dialogue"][-6:])
    give = f"nuages config set EMAIL_URL={FORM}"
    if kind == "nobody":
        return MailError(
            "nobody would hear of errors",
            where=site.topology.name,
            hint="nuages config set ADMINS=ada@shop.example, or name an address here",
        )
    if kind == "development":
        return MailError(f"no mail leaves the site: its backend is {told['said']}", where=site.topology.name, hint=give)
    if kind in (SILENT, "unreachable", "refused"):
        return _no_connection(told, where)
    whats = {
        "unknown": ("no address is known for the mail server", f"is its name right? {give}"),
        "login": (
            "the mail server refuses the login",
            "the user and the password of EMAIL_URL; some want a password for applications. Letters like @ or / in it are written %40, %2F",
        ),
        "tls": (
            "no trusted TLS with the mail server",
            "smtp+tls:// is STARTTLS, mostly on port 587; smtps:// is TLS from the first byte, on 465",
        ),
        "rejected": (
            "the mail server takes the login, and not this message",
            f"may it send as {told['from']}? nuages config set SERVER_EMAIL=shop@your.domain",
        ),
    }
    what, hint = whats.get(
        kind, ("the mail server breaks off", "is that port its own for submission? smtp+tls:// for 587, smtps:// for 465")
    )
    return MailError(what, where=where, detail="\n".join(filter(None, (told["said"], dialogue))), hint=hint)


def _no_connection(told: Mapping[str, Any], where: str) -> MailError:
    ports: Mapping[str, str] = told["ports"]
    table = "\n".join(f"port {port}: {_word(said)}" for port, said in ports.items())
    others = [port for port, said in ports.items() if said == OPEN]
    if told["kind"] == "refused" and told["host"] == "localhost":
        what = "the site knows of no mail server but localhost, where nothing listens"  # Django's default
        hint = f"nuages config set EMAIL_URL={FORM}; an address that begins otherwise is not taken"
    elif told["kind"] == "refused":
        what, hint = "nothing listens there: the connection is refused", "is it the right port, and is the server up?"
    elif others:
        what = f"no answer on port {told['port']}, while port {others[0]} answers: the host's provider blocks it"
        hint = f"use port {others[0]} in EMAIL_URL, or ask the provider to open {told['port']}"
    elif all(said == SILENT for said in ports.values()):
        what = "none of its mail ports answers: this host blocks outgoing mail, or the server is down"
        hint = "providers block mail from new servers: ask them to open it, or use a mail service that is sent to by HTTP"
    else:
        what, hint = "no way to the mail server", "is the host's network up, and the server's address right?"
    return MailError(what, where=where, detail=table, hint=hint)


def _word(said: str) -> str:
    return {OPEN: "answers", SILENT: "no answer within 8 s"}.get(said, said)
