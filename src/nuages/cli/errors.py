"""nuages errors: what went wrong in the site's processes, by kind."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import click

from nuages.cli.console import ago, table
from nuages.cli.site import Site, json_option, site_of, with_site
from nuages.errors import UsageError
from nuages.insight import book
from nuages.insight.model import ErrorGroup


WIDEST = 60
UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}


@click.group(invoke_without_command=True)
@click.option("--since", metavar="AGO", default="", help="Only those seen since: 10m, 2h, 1d.")
@click.option("--all", "everything", is_flag=True, help="Resolved ones too.")
@json_option
@click.pass_context
def command(ctx: click.Context, since: str, everything: bool, as_json: bool) -> None:
    """List the kinds of errors that are open: how often, since when, and which release brought each."""
    if ctx.invoked_subcommand:
        return
    site = site_of(ctx)
    live = site.deployed()
    found = book.listed(site.topology, site.hosts, site.layout, time.time() - seconds(since) if since else 0)
    shown = [group for group in found if everything or not group.resolved]
    if as_json:
        click.echo(json.dumps([group.as_dict() for group in shown], indent=1))
        return
    if not shown:
        click.echo("no errors" + (f" within {since}" if since else "") + ("; resolved ones: --all" if found else ""))
        return
    rows = [row(group, live.number) for group in shown]
    click.echo(table(rows, ("id", "count", "last", "first", "came with", "what")))
    new = [group for group in shown if group.release == live.number and live.number > 1]
    if new:
        many = f"{len(new)} of these came with v{live.number}, which is live"
        click.echo(click.style(f"\n{many}; the release before: nuages rollback", fg="yellow"))
    click.echo(click.style("\nnuages errors show ID; once mended, nuages errors resolve ID", dim=True))


def row(group: ErrorGroup, live: int) -> tuple[str, ...]:
    came = f"v{group.release}" + (" (live)" if group.release == live else "")
    again = f", again in v{group.reopened}" if group.reopened else ""
    mark = " (resolved)" if group.resolved else ""
    what = f"{group.type.rpartition('.')[2]}: {group.message}" if group.message else group.type
    what = what if len(what) <= WIDEST else what[: WIDEST - 1] + "…"
    return (group.id, str(group.count), ago_of(group.last), ago_of(group.first), came + again, what + mark)


def ago_of(at: float) -> str:
    return ago(time.time() - at)


def seconds(text: str) -> float:
    """Raises UsageError."""
    match = re.fullmatch(r"(\d+)\s*(s|m|min|h|d)", text.strip())
    if not match:
        raise UsageError(f"{text!r} is not a time", hint="--since 10m, 2h or 1d")
    return int(match[1]) * UNITS[match[2]]


@command.command()
@click.argument("ident", metavar="ID")
@json_option
@with_site
def show(site: Site, ident: str, as_json: bool) -> None:
    """Show one kind: its counts, and the newest traceback in full, with secrets masked."""
    told = [each for each in book.ask(site.topology, site.hosts, site.layout, "show", ident) if each]
    if not told:
        raise _unknown(ident)
    group = book.group_of(told[0])
    for each in told[1:]:
        group = book.added(group, book.group_of(each))
    traces = [each["trace"] for each in told if each.get("trace")]
    trace = max(traces, key=lambda found: found["at"]) if traces else None
    if as_json:
        click.echo(json.dumps({**group.as_dict(), "trace": trace}, indent=1))
        return
    click.echo(click.style(f"{group.type}: {group.message}", fg="red"))
    click.echo(f"in {group.where}\n" if group.where else "")
    click.echo(table(list(facts(group, trace or {}))))
    click.echo("\n" + (trace["text"].rstrip() if trace else "its traceback made room for newer ones; its counts stay"))


def facts(group: ErrorGroup, trace: dict[str, Any]) -> list[tuple[str, str]]:
    counts = ", ".join(f"v{number}: {many}" for number, many in sorted(group.releases.items()))
    rows = [
        ("id", group.id),
        ("came with", f"v{group.release}  build {group.build}"),
        ("seen", f"{group.count} times, first {moment(group.first)}, last {moment(group.last)}"),
        ("releases", counts),
        ("processes", ", ".join(f"{name}: {many}" for name, many in sorted(group.processes.items()))),
        ("hosts", ", ".join(sorted(group.hosts))),
        ("resolved", moment(group.resolved) if group.resolved else ""),
        ("request", str(trace.get("request") or "")),
        ("request id", str(trace.get("request_id") or "")),
    ]
    return [(name, text) for name, text in rows if text]


def moment(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(at))


@command.command()
@click.argument("idents", metavar="ID...", nargs=-1, required=True)
@with_site
def resolve(site: Site, idents: tuple[str, ...]) -> None:
    """Say that a kind is mended. When it comes back, it is open again and told as new."""
    for ident in idents:
        click.echo(f"{_change(site, 'resolve', ident)} is resolved; if it comes back, it is told as new")


@command.command()
@click.argument("ident", metavar="ID")
@with_site
def reopen(site: Site, ident: str) -> None:
    """Take a `resolve` back."""
    click.echo(f"{_change(site, 'reopen', ident)} is open again")


def _change(site: Site, verb: str, ident: str) -> str:
    found = [each["id"] for each in book.ask(site.topology, site.hosts, site.layout, verb, ident) if each and each["id"]]
    if not found:
        raise _unknown(ident)
    return str(found[0])


def _unknown(ident: str) -> UsageError:
    return UsageError(f"there is no error {ident}", hint="nuages errors --all lists them")
