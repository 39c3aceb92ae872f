"""Log lines as they are written, for as long as somebody watches."""

from __future__ import annotations

import contextlib
import posixpath
import re
import threading
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from nuages.dashboard.board import LINES, Board
from nuages.errors import CommandTimeoutError, HostError, NuagesError
from nuages.hosts import reach, together
from nuages.hosts.command import Command
from nuages.hosts.transport import Transport
from nuages.release.layout import Layout, site_layout
from nuages.topology import load_topology


LAST = 60  # lines of each process, from before somebody watched
LONGEST = 4000  # characters of a line
LINGER = 20.0  # seconds that it goes on after the last one left: a page is being loaded again
PAUSE = 0.3
RETRY = 3.0
TURN = 900.0  # seconds for which one command on a host follows its logs
AT_FIRST = 3.0  # seconds in which what it tells may be old
STAMP = re.compile(r"^\[?(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,]\d+)?(Z| ?[+-]\d{4})?\]?\s*")


class Follower:
    """Starts with the first who watches, ends some time after the last."""

    def __init__(self, root: Path, board: Board) -> None:
        self.root, self.board = root, board
        self.guard = threading.Lock()
        self.watchers, self.left = 0, 0.0
        self.thread: threading.Thread | None = None
        self.transports: tuple[Transport, ...] = ()
        self.told: deque[tuple[str, str, str]] = deque(maxlen=LINES)

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        with self.guard:
            self.watchers += 1
            if self.thread is None:
                self.thread = threading.Thread(target=self._work, name="logs", daemon=True)
                self.thread.start()
        try:
            yield
        finally:
            with self.guard:
                self.watchers -= 1
                self.left = time.monotonic()

    def wanted(self) -> bool:
        return not self.board.closed and (self.watchers > 0 or time.monotonic() - self.left < LINGER)

    def end(self) -> None:
        for transport in self.transports:
            transport.cancel()

    def _work(self) -> None:
        trouble = ""
        while self._goes_on():
            try:
                topology = load_topology(self.root)
                layout = site_layout(topology)
                with reach(topology) as hosts:
                    if topology.remote:
                        self._of_servers(hosts.all, layout)
                    else:
                        self._of_here(layout)
                trouble = ""
            except NuagesError as error:
                if str(error) != trouble:
                    self.tell("", "", f"the logs can't be read: {error}")
                trouble = str(error)
                time.sleep(RETRY)

    def _goes_on(self) -> bool:
        """Under the guard: who comes now finds either a thread that goes on, or none."""
        with self.guard:
            if not self.wanted():
                self.thread = None
            return self.thread is not None

    def tell(self, host: str, process: str, line: str, *, old: bool = False) -> None:
        """`old` lines are from before we listened: those that were told already are not told again."""
        entry = (host, process, line[:LONGEST])
        if old and entry in self.told:
            return
        self.told.append(entry)
        self.board.show_line({"host": host, "process": process, "line": entry[2]})

    def _of_here(self, layout: Layout) -> None:
        tails = {name: Tail(path, at_end=True) for name, path in files(layout).items()}
        before = [(_stamp(line), name, line) for name, path in files(layout).items() for line in last_lines(path)]
        for _at, name, line in sorted(before, key=lambda entry: entry[0]):
            self.tell("", name, line, old=True)
        while self.wanted():
            for name, path in files(layout).items():
                for line in tails.setdefault(name, Tail(path)).news():
                    self.tell("", name, line)
            time.sleep(PAUSE)

    def _of_servers(self, hosts: tuple[Transport, ...], layout: Layout) -> None:
        self.transports = hosts
        threading.Thread(target=self._stop_when_alone, args=(hosts,), daemon=True).start()
        together(hosts, lambda host: self._watch(host, layout))

    def _stop_when_alone(self, hosts: tuple[Transport, ...]) -> None:
        while self.wanted() and self.transports is hosts:
            time.sleep(1)
        for host in hosts:
            host.cancel()

    def _watch(self, host: Transport, layout: Layout) -> None:
        listed = host.read({"logs": {"kind": "command", "argv": ["ls", "-1", str(layout.logs)]}})["logs"]["stdout"]
        names = sorted(n for n in listed.split() if n.endswith(".log"))
        current = names[0].removesuffix(".log") if names else ""
        began = time.monotonic()

        def hear(text: str) -> None:
            nonlocal current
            if text.startswith("==> ") and text.endswith(" <=="):  # tail's heading where it changes the file
                current = posixpath.basename(text[4:-4]).removesuffix(".log")
            else:
                self.tell(host.name, current, text, old=time.monotonic() - began < AT_FIRST)

        argv = ("tail", "-n", str(LAST), "-F", *(f"{layout.logs}/{name}" for name in names))
        try:
            if names:
                host.run(Command(argv, timeout=TURN), hear)
        except CommandTimeoutError:
            return  # the agent keeps what it has told: from time to time it starts anew
        except HostError:
            if self.wanted():  # else it was ended by us
                raise
        time.sleep(RETRY)


class Tail:
    """What is appended to a file; it may be cut short or replaced by another (rotation)."""

    def __init__(self, path: Path, *, at_end: bool = False) -> None:
        self.path, self.inode, self.offset = path, 0, 0
        if at_end:
            with contextlib.suppress(OSError):
                found = path.stat()
                self.inode, self.offset = found.st_ino, found.st_size

    def news(self) -> list[str]:
        try:
            found = self.path.stat()
            if found.st_ino != self.inode or found.st_size < self.offset:
                self.inode, self.offset = found.st_ino, 0
            if found.st_size == self.offset:
                return []
            with self.path.open("rb") as file:
                file.seek(self.offset)
                data = file.read(1 << 20)
        except OSError:
            return []
        end = data.rfind(b"\n") + 1 or (len(data) if len(data) == 1 << 20 else 0)
        self.offset += end
        return data[:end].decode("utf-8", "replace").splitlines()


def files(layout: Layout) -> dict[str, Path]:
    return {path.stem: path for path in sorted(layout.logs.glob("*.log"))}


def last_lines(path: Path) -> list[str]:
    tail = Tail(path)
    with contextlib.suppress(OSError):
        found = path.stat()
        tail.inode, tail.offset = found.st_ino, max(0, found.st_size - 200_000)
    return tail.news()[-LAST:]


def _stamp(line: str) -> str:
    match = STAMP.match(line)
    return f"{match[1]} {match[2]}" if match else ""
