"""The only door to a host."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from nuages.hosts.command import Command, Result


Progress = Callable[[str], None]


class Transport(Protocol):
    """A way to one host. `hosts.local` is this machine, `hosts.fake` a pretend one, `hosts.ssh` a server: peers all three.

    Over SSH everything is done as root, but what names a `user`; on this machine everything as whoever runs nuages.

    `run` never raises for a non-zero exit status; `check` raises CommandError. Both raise CommandTimeoutError
    (the process group is killed) and HostError when the host can't be reached.
    """

    name: str
    remote: bool  # on another machine, where process ids of this one mean nothing

    @property
    def gate(self) -> bool:
        """Is it reached by a deploy key, which may change one site and nothing else? Known once something was asked."""

    def run(self, command: Command, progress: Progress | None = None) -> Result:
        """Run one command; `progress` gets each line of output as it appears."""

    def check(self, command: Command, progress: Progress | None = None) -> Result:
        """Run one command and raise CommandError with the end of its output unless it ends with 0."""

    def read(self, questions: Mapping[str, Mapping[str, Any]], spare: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Ask the agent several questions in one round trip; answers by the same keys (see hosts/agent.py). `spare` may
        name keys that need no answer while the site has the same mark: {"dir", "mark", "keys"}."""

    def write(self, steps: Iterable[Mapping[str, Any]], journal: str, progress: Callable[[dict[str, Any]], None]) -> None:
        """Have the agent carry out steps in order, journalled on the host before and after each."""

    def cancel(self) -> None:
        """From another thread, what Ctrl-C is in the first: the host takes back the steps under way, anything else ends."""

    def scratch(
        self, files: Mapping[str, str], links: Mapping[str, str] | None = None, owner: str = ""
    ) -> AbstractContextManager[str]:
        """A private folder on the host with these files (and links: name -> target), as long as the block runs; yields its
        path. `owner`: the account it belongs to, which may write there; results are read with the kinds `json` and `text`."""

    def ship(
        self,
        pieces: Mapping[str, Path],
        store: str,
        progress: Progress,
        *,
        lacking: Sequence[str] | None = None,
        steps: Sequence[Mapping[str, Any]] = (),
        journal: str = "",
    ) -> int:
        """Bring files, each under the sha256 of its content, into a folder of pieces on the host; only what it lacks is
        sent (`lacking`, where it was asked before), and what arrived stays when the connection dies. `steps` are then carried
        out, in the same round trip. Returns bytes (unpacked) that were sent."""

    def fetch(self, path: str, to: Path, progress: Progress) -> int:
        """Bring one file of the host here, whole or not at all, readable by its owner alone. Returns its bytes."""

    def confirm(self) -> None:
        """Log in afresh, with an authentication of its own, and become root. Raises HostError unless it succeeds in 20 s."""

    def execute(
        self, argv: tuple[str, ...], env: Mapping[str, str], cwd: str = "", user: str = "", *, terminal: bool = True
    ) -> int:
        """Run one command with the caller's terminal, or with its input and output where `terminal` is false; its exit
        status. `env` is the whole environment, but for TERM over SSH; it appears in no argument list."""
