"""Our small programs for data (nuages/dataside), laid down on a host for as long as something is done with them.

    with laid(place) as hand:
        told = hand.ask("facts")                       # a question: no lock, no journal
        hand.carry_out([hand.step("+", "...", hand.op("dump", to=path))], token, console)
        told = hand.answer("dump")                     # what the last `op("dump")` said

They are standard library only, started by the host's own Python: as root on a server, where what touches the project's
code or files goes on as the site's account. A wish is one JSON object in argv, and holds no secret; see databases.py.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nuages.errors import DataError
from nuages.hosts.command import Command
from nuages.hosts.transport import Progress, Transport
from nuages.release.layout import Layout, site_layout
from nuages.secret import Secret
from nuages.topology.model import Topology


PROGRAMS = Path(__file__).parent.parent / "dataside"
LONG = 24 * 3600.0  # seconds: a database may be large
Op = Mapping[str, Any]
Report = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Place:
    """One database of a site, on the host that leads."""

    host: Transport
    layout: Layout
    site: str
    account: str = ""  # "" on this machine
    alias: str = "default"

    @property
    def dumps(self) -> Path:
        return self.layout.dir / "backups" / "dumps"

    @property
    def incoming(self) -> Path:
        """Where dumps from elsewhere arrive, under the digest of their content."""
        return self.layout.dir / "backups" / "incoming"


def place_of(topology: Topology, host: Transport, alias: str = "default") -> Place:
    return Place(host, site_layout(topology), topology.name, topology.account, alias)


@dataclass(frozen=True)
class Hand:
    place: Place
    folder: str  # of the programs on the host

    def argv(self, verb: str, *, program: str = "databases.py", **words: Any) -> tuple[str, ...]:
        place = self.place
        wish = {
            "verb": verb,
            "dir": str(place.layout.dir),
            "account": place.account,
            "site": place.site,
            "alias": place.alias,
            **words,
        }
        python = "python3" if place.host.remote else sys.executable
        return python, "-I", "-S", "-B", f"{self.folder}/{program}", json.dumps(wish)

    def ask(self, verb: str, progress: Progress | None = None, **words: Any) -> dict[str, Any]:
        """A verb that changes nothing of the site. Raises DataError with what the program says."""
        return self._heard(verb, Command(self.argv(verb, **words), timeout=LONG), progress)

    def ask_saying(self, verb: str, said: Secret, **words: Any) -> dict[str, Any]:
        """The same, for verbs that read a line of secrets from standard input."""
        return self._heard(verb, Command(self.argv(verb, **words), stdin=said, timeout=LONG), None)

    def _heard(self, verb: str, command: Command, progress: Progress | None) -> dict[str, Any]:
        result = self.place.host.run(command, lambda line: _tell(line, progress))
        said = _last_object(result.stdout)
        if said is None or not result.ok:
            said = said or {"error": f"{verb} ended with {result.status}", "detail": result.tail(8)}
            raise DataError(said["error"], where=self.place.host.name, detail=said.get("detail", ""), hint=said.get("hint", ""))
        return said

    def op(self, verb: str, **words: Any) -> Op:
        """The same as an operation of a step. Its answer is read with `answer`."""
        argv = self.argv(verb, answer=f"{self.folder}/{verb}.json", **words)
        return {"op": "run", "argv": list(argv), "timeout": LONG}

    def answer(self, verb: str) -> dict[str, Any]:
        told = self.place.host.read({"it": {"kind": "json", "path": f"{self.folder}/{verb}.json"}})["it"]
        return dict(told or {})

    def step(self, symbol: str, what: str, *ops: Op, undo: Sequence[Op] = ()) -> dict[str, Any]:
        return {"text": f"{symbol} {self.place.host.name}  {what}", "ops": list(ops), "undo": list(undo)}

    def carry_out(self, steps: Sequence[Mapping[str, Any]], token: str, report: Report) -> None:
        """All or nothing: where one fails, what those before it did is taken back. Journalled on the host; the host goes on
        with them where we are cut off. Raises CommandError."""
        self.place.host.write([{**step, "deploy": token} for step in steps], str(self.place.layout.journal), report)


@contextlib.contextmanager
def laid(place: Place, secrets: Mapping[str, str] | None = None) -> Iterator[Hand]:
    """`secrets`: further files of that folder (0600), named in a wish by their path `hand.folder`/NAME."""
    files = {path.name: path.read_text(encoding="utf-8") for path in sorted(PROGRAMS.glob("*.py"))}
    with place.host.scratch({**files, **(secrets or {})}) as folder:
        yield Hand(place, folder)


def _tell(line: str, progress: Progress | None) -> None:
    if progress and not line.startswith("{"):
        progress(line)


def _last_object(text: str) -> dict[str, Any] | None:
    for line in reversed(text.splitlines()):
        with contextlib.suppress(ValueError):
            told = json.loads(line)
            if isinstance(told, dict):
                return told
    return None
