"""nuages doctor: is our own installation sound, and where does the chain to a site break?"""

from __future__ import annotations

import json
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import click

from nuages import __version__
from nuages.cli.site import Site, json_option, with_site
from nuages.errors import NuagesError, UsageError
from nuages.insight.links import Link
from nuages.release.layout import local_store


MARKS = {
    "ok": ("ok     ", "green"),
    "broken": ("BROKEN ", "red"),
    "follows": ("follows", "yellow"),
    "skipped": ("-      ", "white"),
}


@click.command()
@click.argument("site_or_domain", required=False, metavar="[SITE|DOMAIN]")
@click.option(
    "--resolve",
    "given",
    multiple=True,
    metavar="NAME=ADDRESS",
    help="Take this address in place of what DNS says, as before a move.",
)
@json_option
@with_site
def command(site: Site, site_or_domain: str | None, given: tuple[str, ...], as_json: bool) -> None:
    """Walk the chain from DNS to the database and name the first link that is broken; without a name, look at Nuages itself.

    Exit status: 0 all is well, 2 a link of the site is broken, 1 something is wrong here.
    """
    if site_or_domain:
        _walk(site, site_or_domain, _addresses(given), as_json=as_json)
        return
    found = list(examine(site))
    wrong = sum(not good for good, _what, _hint in found)
    if as_json:
        click.echo(json.dumps([{"ok": good, "what": what, "hint": hint} for good, what, hint in found], indent=1))
        click.get_current_context().exit(1 if wrong else 0)
    for good, what, hint in found:
        mark = click.style("ok  ", fg="green") if good else click.style("bad ", fg="red")
        click.echo(f"{mark} {what}" + (click.style(f"\n     hint: {hint}", dim=True) if hint and not good else ""))
    click.get_current_context().exit(1 if wrong else 0)


def _walk(site: Site, name: str, given: dict[str, tuple[str, ...]], *, as_json: bool) -> None:
    from nuages.insight import examine as looking
    from nuages.insight import links

    known = (site.topology.name, *site.topology.domains)
    if name not in known:
        raise UsageError(
            f"{name} is neither this site nor a domain of it",
            where=str(site.topology.root),
            hint="known here: " + ", ".join(known),
        )
    found = links.judged(looking.examine(site.topology, site.hosts, site.layout, given))
    first = links.first_broken(found)
    if as_json:
        answer = {
            "site": site.topology.name,
            "broken": first.as_dict() if first else None,
            "links": [each.as_dict() for each in found],
        }
        click.echo(json.dumps(answer, indent=1))
    else:
        for each in found:
            _tell(each, several=len(site.hosts.all) > 1)
        word = f"the first broken link: {first.name}{f' on {first.host}' if first.host else ''}" if first else "every link holds"
        click.echo(click.style(f"\n{word}", fg="red" if first else "green", bold=True))
    click.get_current_context().exit(2 if first else 0)


def _tell(link: Link, *, several: bool) -> None:
    mark, colour = MARKS[link.state]
    name = f"{link.host} {link.name}" if several and link.host else link.name
    click.echo(f"{click.style(mark, fg=colour)}  {name:<12} {link.what}")
    if link.state in ("broken", "follows"):
        for line in link.why.splitlines()[:6] if link.state == "broken" else ():
            click.echo(f"{'':<22} {line}")
        click.echo(click.style(f"{'':<22} {'hint: ' if link.state == 'broken' else ''}{link.todo}", dim=True))


def _addresses(given: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for each in given:
        name, equals, address = each.partition("=")
        if not equals or not name:
            raise UsageError(f"{each!r} says no address", hint="--resolve shop.example=192.0.2.10")
        found[name] = (*found.get(name, ()), *filter(None, address.split(",")))
    return found


def examine(site: Site) -> Iterator[tuple[bool, str, str]]:
    yield (
        sys.version_info >= (3, 11),
        f"nuages {__version__} on Python {sys.version.split()[0]}",
        "Python 3.11 or newer",
    )
    yield _uv()
    yield bool(shutil.which("git")), "git", "without it, every file here belongs to a release: install git"
    here = local_store(site.topology.name).dir if site.topology.remote else site.layout.dir
    yield _writable(here)
    yield _disk(here)
    yield _interpreters(site)
    try:
        live = site.live()
    except NuagesError as error:
        yield False, str(error), error.hint
        return
    yield True, f"state is readable: v{live.number}" if live.release else "no site deployed from here yet", ""
    if live.release:
        yield (
            bool(live.supervisor),
            "the supervisor answers" if live.supervisor else "nothing is running",
            "nuages start",
        )
    if live.address and not site.topology.remote:
        yield _listens(live.address)


def _uv() -> tuple[bool, str, str]:
    try:
        from uv import find_uv_bin

        return True, f"uv: {find_uv_bin()}", ""
    except (ImportError, FileNotFoundError):
        return False, "uv is missing", "install Nuages again: uv comes with it from PyPI"


def _writable(folder: Path) -> tuple[bool, str, str]:
    place = next(p for p in (folder, *folder.parents) if p.exists())
    try:
        with tempfile.TemporaryFile(dir=place):
            return True, f"{folder} can be written", ""
    except OSError as error:
        return False, f"{place}: {error.strerror}", "chown it, or set XDG_DATA_HOME to a folder of yours"


def _disk(folder: Path) -> tuple[bool, str, str]:
    place = next(p for p in (folder, *folder.parents) if p.exists())
    free = shutil.disk_usage(place).free / 2**30
    return free > 1, f"{free:.1f} GB free", "a release with its environment takes 0.1 to 1 GB"


def _interpreters(site: Site) -> tuple[bool, str, str]:
    from nuages.environments.interpreters import interpreters

    found = sorted({p.version for p in interpreters(site.hosts.here)})
    return (
        bool(found),
        "Pythons: " + (", ".join(found) or "none"),
        "install one, for example python3 from the system's packages",
    )


def _listens(address: str) -> tuple[bool, str, str]:
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]") if host != "0.0.0.0" else "127.0.0.1", int(port)), 3):  # noqa: S104
            return True, f"{address} accepts connections", ""
    except OSError as error:
        return False, f"{address}: {os.strerror(error.errno) if error.errno else error}", "nuages restart"
