"""The only door to a host."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from nuages.hosts.command import Command, Result


Progress = Callable[[str], None]


class Transport(Protocol):
    """A way to one host. `hosts.local` is this machine, `hosts.fake` a pretend one; SSH is a peer of both.

    `run` never raises for a non-zero exit status; `check` raises CommandError. Both raise CommandTimeoutError
    (the process group is killed) and HostError when the host can't be reached.
    """

    name: str

    def run(self, command: Command, progress: Progress | None = None) -> Result:
        """Run one command; `progress` gets each line of output as it appears."""

    def check(self, command: Command, progress: Progress | None = None) -> Result:
        """Run one command and raise CommandError with the end of its output unless it ends with 0."""

    def read(self, questions: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        """Ask the agent several questions in one round trip; answers by the same keys (see hosts/agent.py)."""

    def write(self, steps: Iterable[Mapping[str, Any]], journal: str, progress: Callable[[dict[str, Any]], None]) -> None:
        """Have the agent carry out steps in order, journalled on the host before and after each."""
