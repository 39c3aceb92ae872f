"""nuages dashboard: the site's page in the browser."""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from nuages.cli.site import root_of
from nuages.errors import UsageError
from nuages.topology import load_topology


PORT = 8765


@click.command()
@click.option("--port", type=click.IntRange(1, 65535), help=f"Listen here. Default: the first free port from {PORT} on.")
@click.option("--no-open", is_flag=True, help="Don't start the browser; print the link.")
@click.pass_context
def command(ctx: click.Context, port: int | None, no_open: bool) -> None:
    """Show the site in the browser: health, releases, processes, logs, charts; deploy, roll back and scale by buttons.

    It listens on 127.0.0.1 only, until Ctrl-C. The link works once; Enter prints another one.
    """
    from nuages.dashboard.server import Dashboard

    root = root_of(ctx)
    topology = load_topology(root)  # what is wrong with nuages.toml is told here, not in a browser
    dashboard = Dashboard(root, _port(port), say=click.echo)
    click.echo(f"{topology.name} at {click.style(dashboard.link(), bold=True)}")
    click.echo(click.style("the link works once; Enter prints another one, Ctrl-C ends", dim=True))
    threading.Thread(target=_more_links, args=(dashboard.link,), daemon=True).start()
    try:
        if no_open or not _has_browser():
            dashboard.serve()
        else:
            with _way_in(dashboard.link()) as page:
                webbrowser.open(page.as_uri())
                dashboard.serve()
    except KeyboardInterrupt:
        click.echo()


def _port(wish: int | None) -> int:
    from nuages.dashboard.server import free

    if wish is None:
        return next((port for port in range(PORT, PORT + 100) if free(port)), 0)
    if not free(wish):
        raise UsageError(f"port {wish} is in use", hint="another --port, or none: a free one is taken")
    return wish


def _has_browser() -> bool:
    """One with a window: webbrowser would else start a text browser in this very terminal."""
    graphical = sys.platform in ("darwin", "win32") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    return bool(graphical and sys.stdout.isatty())


@contextmanager
def _way_in(link: str) -> Iterator[Path]:
    """A file of ours alone that leads there: every account of this machine sees what a browser is started with."""
    with tempfile.TemporaryDirectory(prefix="nuages-dashboard-") as folder:
        page = Path(folder, "index.html")
        page.write_text(f'<!doctype html><meta http-equiv="refresh" content="0; url={link}">', encoding="utf-8")
        yield page


def _more_links(link: object) -> None:
    assert callable(link)  # noqa: S101
    if sys.stdin.isatty():
        for _line in sys.stdin:
            click.echo(click.style(link(), bold=True))
