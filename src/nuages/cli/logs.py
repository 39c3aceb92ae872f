"""nuages logs: what the processes print, merged over processes and hosts."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import click

from nuages.cli.site import Site, with_site
from nuages.errors import UsageError
from nuages.insight.log_lines import EVERYTHING, LEVELS, Reading, Wanted, understood, wanted


COLOURS = ("cyan", "yellow", "green", "magenta", "blue")
USUAL, SEARCHED = 100, 20_000  # lines of each process: shown, and looked through where only some are wanted


@click.command()
@click.argument("names", nargs=-1)
@click.option("-f", "--follow", "-t", "--tail", "following", is_flag=True, help="Go on showing new lines.")
@click.option(
    "-n", "--lines", "--num", type=click.IntRange(0), help="How many lines of each process. Default: 100, or all that fit."
)
@click.option("--since", metavar="AGO", help="Only what is younger: 10m, 2h, 1d, or a time (UTC).")
@click.option("--grep", metavar="PATTERN", help="Only lines in which this regular expression is found.")
@click.option(
    "--level", type=click.Choice(LEVELS, case_sensitive=False), help="Only lines as grave as this, with their tracebacks."
)
@click.option("-p", "--ps", "-d", "--dyno", "processes", multiple=True, metavar="NAME", help="The same as NAMES, as on Heroku.")
@with_site
def command(
    site: Site,
    names: tuple[str, ...],
    following: bool,
    lines: int | None,
    since: str | None,
    grep: str | None,
    level: str | None,
    processes: tuple[str, ...],
) -> None:
    """Show the logs of all processes, or of those named, in the order of time."""
    site.deployed()
    keep = wanted(since, grep, level)
    names = (*names, *(name.partition(".")[0] for name in processes))  # web.1: every web process writes to one log
    if site.topology.remote:
        _of_servers(site, names, lines, keep, following=following)
    elif following:
        try:
            follow(site, names, lines if lines is not None else USUAL, keep)
        except KeyboardInterrupt:
            click.echo()
    else:
        files = log_files(site, names)
        show_merged(((name, last_lines(path, looked_at(lines, keep))) for name, path in files.items()), lines, keep)


def _of_servers(site: Site, names: tuple[str, ...], lines: int | None, keep: Wanted, *, following: bool) -> None:
    from nuages.cli import server_logs

    if following:
        server_logs.follow(site, names, lines if lines is not None else USUAL, keep)
    else:
        show_merged(server_logs.last_lines(site, names, looked_at(lines, keep)), lines, keep)


def looked_at(lines: int | None, keep: Wanted) -> int:
    """How many lines of each log: what is wanted may lie far back."""
    return (USUAL if lines is None else lines) if keep.all else SEARCHED


def show_merged(logs: Iterable[tuple[str, list[str]]], lines: int | None, keep: Wanted) -> None:
    titles, entries = [], []
    for title, said in logs:
        titles.append(title)
        fit = [(line, title) for line in understood(said) if keep(line)]
        entries += fit if lines is None else fit[-lines:] if lines else []
    entries.sort(key=lambda entry: entry[0].at)
    for line, title in entries:
        show(title, line.text, titles)


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


def follow(site: Site, names: tuple[str, ...], lines: int = 10, keep: Wanted = EVERYTHING) -> None:
    """Show lines as they come, until interrupted; files that appear or are rotated are followed too."""
    places: dict[str, tuple[int, int]] = {}
    files = log_files(site, names)
    for name, path in files.items():
        info = path.stat()
        places[name] = (info.st_ino, info.st_size)
    show_merged([(name, last_lines(path, lines if keep.all else SEARCHED)) for name, path in files.items()], lines, keep)
    reading: dict[str, Reading] = {}
    while True:
        files = log_files(site, ())
        for name, path in files.items():
            if names and name not in names:
                continue
            for text in _news(path, places, name):
                if keep(reading.setdefault(name, Reading()).next(text)):
                    show(name, text, list(files))
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
