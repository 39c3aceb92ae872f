"""Logs of a site on servers: read there, merged here."""

from __future__ import annotations

import contextlib
import posixpath
import threading
from collections.abc import Iterator, Mapping

import click

from nuages.cli.logs import show
from nuages.cli.site import Site
from nuages.errors import UsageError
from nuages.hosts import together
from nuages.hosts.command import Command
from nuages.hosts.transport import Transport
from nuages.insight.log_lines import Line, Reading, Wanted


FOREVER = 24 * 3600.0
Files = Mapping[str, str]  # name of the process -> path there
MOMENT = 1.0


def files_of(site: Site, host: Transport, names: tuple[str, ...]) -> Files:
    """The logs that lie on a host. Raises UsageError for a name that has none."""
    folder = str(site.layout.logs)
    listed = host.read({"logs": {"kind": "command", "argv": ["ls", "-1", folder]}})["logs"]["stdout"]
    found = {n.removesuffix(".log"): f"{folder}/{n}" for n in sorted(listed.split()) if n.endswith(".log")}
    unknown = sorted(set(names) - set(found))
    if unknown:
        raise UsageError(f"there is no log of {', '.join(unknown)}", hint="known: " + ", ".join(found))
    return {name: path for name, path in found.items() if not names or name in names}


def last_lines(site: Site, names: tuple[str, ...], count: int) -> Iterator[tuple[str, list[str]]]:
    """The last lines of every process on every host, under its name (and its host's, where there are several)."""

    def read(host: Transport) -> list[tuple[str, list[str]]]:
        files = files_of(site, host, names)
        asked = {name: {"kind": "command", "argv": ["tail", "-n", str(count), path]} for name, path in files.items()}
        answers = host.read(asked)
        return [(_title(site, host, name), answer["stdout"].splitlines()) for name, answer in answers.items()]

    for found in together(site.hosts.all, read):
        yield from found


def follow(site: Site, names: tuple[str, ...], lines: int, keep: Wanted) -> None:
    """Show lines as they come from all hosts, until interrupted. What was there before comes first, in the order of time."""
    merged = Merged(keep)

    def watch(host: Transport) -> None:
        current = ""

        def line(text: str) -> None:
            nonlocal current
            if text.startswith("==> ") and text.endswith(" <=="):  # tail's heading where it changes the file
                current = posixpath.basename(text[4:-4]).removesuffix(".log")
            elif text.strip():
                merged.tell(_title(site, host, current), text)

        files = files_of(site, host, names)
        host.run(Command(("tail", "-v", "-n", str(lines), "-F", *files.values()), timeout=FOREVER), line)

    with contextlib.suppress(KeyboardInterrupt):
        together(site.hosts.all, watch)
    click.echo()


class Merged:
    """Lines of several hosts and files. Those of the first moment are older than this command: they are put in order."""

    def __init__(self, keep: Wanted) -> None:
        self.keep, self.titles, self.reading = keep, list[str](), dict[str, Reading]()
        self.lock, self.early = threading.Lock(), list[tuple[Line, str]]()
        self.began = False

    def tell(self, title: str, text: str) -> None:
        with self.lock:
            if title not in self.titles:
                self.titles.append(title)
            line = self.reading.setdefault(title, Reading()).next(text)
            if not self.early and not self.began:
                timer = threading.Timer(MOMENT, self.begin)
                timer.daemon = True
                timer.start()
            if self.began:
                self._show(line, title)
            else:
                self.early.append((line, title))

    def begin(self) -> None:
        with self.lock:
            early, self.early, self.began = self.early, [], True
            for line, title in sorted(early, key=lambda entry: entry[0].at):
                self._show(line, title)

    def _show(self, line: Line, title: str) -> None:
        if self.keep(line):
            show(title, line.text, self.titles)


def _title(site: Site, host: Transport, name: str) -> str:
    return f"{host.name} {name}" if len(site.hosts.all) > 1 else name
