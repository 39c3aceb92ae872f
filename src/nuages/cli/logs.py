"""nuages logs: what the processes print."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import click

from nuages.cli.site import Site, with_site
from nuages.errors import UsageError


COLOURS = ("cyan", "yellow", "green", "magenta", "blue")
STAMP = re.compile(r"^\[?(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)")


@click.command()
@click.argument("names", nargs=-1)
@click.option("-f", "--follow", "following", is_flag=True, help="Go on showing new lines.")
@click.option("-n", "--lines", default=100, show_default=True, help="How many lines of each process.")
@click.option("--since", metavar="AGO", help="Only what is younger: 10m, 2h, 1d.")
@click.option("--grep", metavar="PATTERN", help="Only lines in which this regular expression is found.")
@with_site
def command(site: Site, names: tuple[str, ...], following: bool, lines: int, since: str | None, grep: str | None) -> None:
    """Show the logs of all processes, or of those named."""
    site.deployed()
    keep = _filter(since, grep)
    if site.topology.remote:
        _of_servers(site, names, lines, keep, following=following)
        return
    if following:
        try:
            follow(site, names, lines, keep)
        except KeyboardInterrupt:
            click.echo()
        return
    files = log_files(site, names)
    entries = [(at, name, line) for name, path in files.items() for at, line in stamped(last_lines(path, lines))]
    entries.sort(key=lambda entry: entry[0])
    for at, name, line in entries:
        if keep(line, at):
            show(name, line, list(files))


def _of_servers(site: Site, names: tuple[str, ...], lines: int, keep: Callable[..., bool], *, following: bool) -> None:
    from nuages.cli import server_logs

    titles: list[str] = []

    def tell(title: str, line: str) -> None:
        if title not in titles:
            titles.append(title)
        if keep(line):
            show(title, line, titles)

    if following:
        server_logs.follow(site, names, lines, tell)
        return
    found = list(server_logs.last_lines(site, names, lines))
    titles = [title for title, _lines in found]
    entries = [(at, title, line) for title, said in found for at, line in stamped(said)]
    entries.sort(key=lambda entry: entry[0])
    for at, title, line in entries:
        if keep(line, at):
            show(title, line, titles)


def stamped(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """A line without a time of its own, as in a traceback, is as old as the one before it."""
    at = ""
    for line in lines:
        at = _stamp(line) or at
        yield at, line


def log_files(site: Site, names: tuple[str, ...]) -> dict[str, Path]:
    found = {path.stem: path for path in sorted(site.layout.logs.glob("*.log"))}
    unknown = sorted(set(names) - set(found))
    if unknown:
        raise UsageError(f"there is no log of {', '.join(unknown)}", hint="known: " + ", ".join(found))
    return {n: p for n, p in found.items() if not names or n in names}


def last_lines(path: Path, count: int) -> list[str]:
    """The last lines, of the rotated file before too when this one is short."""
    older = path.with_name(path.name + ".1")
    text = path.read_text(errors="replace") if path.exists() else ""
    lines = text.splitlines()
    if len(lines) < count and older.exists():
        lines = older.read_text(errors="replace").splitlines() + lines
    return lines[-count:] if count else []


def follow(site: Site, names: tuple[str, ...], lines: int = 10, keep: Callable[..., bool] = lambda _line, _at="": True) -> None:
    """Show lines as they come, until interrupted; files that appear or are rotated are followed too."""
    places: dict[str, tuple[int, int]] = {}
    for name, path in log_files(site, names).items():
        for at, line in stamped(last_lines(path, lines)):
            if keep(line, at):
                show(name, line, [])
        info = path.stat()
        places[name] = (info.st_ino, info.st_size)
    while True:
        files = log_files(site, ())
        for name, path in files.items():
            if names and name not in names:
                continue
            for line in _news(path, places, name):
                if keep(line):
                    show(name, line, list(files))
        time.sleep(0.25)


def _news(path: Path, places: dict[str, tuple[int, int]], name: str) -> Iterator[str]:
    try:
        info = path.stat()
    except FileNotFoundError:
        return
    inode, offset = places.get(name, (info.st_ino, 0))
    if inode != info.st_ino or info.st_size < offset:
        offset = 0
    if info.st_size == offset:
        return
    with path.open("rb") as file:
        file.seek(offset)
        data = file.read()
    end = data.rfind(b"\n") + 1
    places[name] = (info.st_ino, offset + end)
    yield from data[:end].decode("utf-8", "replace").splitlines()


def show(name: str, line: str, known: list[str]) -> None:
    colour = COLOURS[(known.index(name) if name in known else 0) % len(COLOURS)]
    click.echo(f"{click.style(f'{name:<8}', fg=colour)} {line}")


def _filter(since: str | None, grep: str | None) -> Callable[..., bool]:
    oldest = ""
    if since:
        match = re.fullmatch(r"(\d+)\s*(s|m|min|h|d)", since.strip())
        if not match:
            raise UsageError(f"{since!r} is not a time", hint="--since 10m, 2h or 1d")
        seconds = int(match[1]) * {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}[match[2]]
        oldest = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(time.time() - seconds))
    try:
        pattern = re.compile(grep) if grep else None
    except re.error as error:
        raise UsageError(f"{grep!r} is not a regular expression: {error}") from error

    def keep(line: str, at: str = "") -> bool:
        at = at or _stamp(line)
        return (not oldest or not at or at >= oldest) and (pattern is None or bool(pattern.search(line)))

    return keep


def _stamp(line: str) -> str:
    match = STAMP.match(line)
    return f"{match[1]} {match[2]}" if match else ""
