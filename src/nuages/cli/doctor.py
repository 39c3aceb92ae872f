"""nuages doctor: is our own installation sound?"""

from __future__ import annotations

import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import click

from nuages import __version__
from nuages.cli.site import Site, with_site
from nuages.errors import NuagesError
from nuages.release.layout import local_store


@click.command()
@with_site
def command(site: Site) -> None:
    """Look at Nuages itself on this machine: tools, disk, state, supervisor. Exit status 1 when something is wrong."""
    wrong = 0
    for good, what, hint in examine(site):
        mark = click.style("ok  ", fg="green") if good else click.style("bad ", fg="red")
        click.echo(f"{mark} {what}" + (click.style(f"\n     hint: {hint}", dim=True) if hint and not good else ""))
        wrong += not good
    click.get_current_context().exit(1 if wrong else 0)


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
