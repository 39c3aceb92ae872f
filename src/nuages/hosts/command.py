"""Commands are values: built anywhere, run only by a transport."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from nuages.secret import Secret


@dataclass(frozen=True)
class Command:
    """What to run. `str(command)` and its repr are safe to show: they hold no environment and no input.

    `env` is added to a clean environment (PATH, HOME, LANG, TERM-less), never to the caller's own. `timeout` is in
    seconds. Secrets travel in `env` or `stdin`, never in `argv`. `user`: on a server, the account that it runs as; "" is
    root there, and on this machine whoever runs nuages.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str | Secret] = field(default_factory=dict, repr=False)
    cwd: str = ""
    stdin: str | Secret = field(default="", repr=False)
    timeout: float = 600
    user: str = ""

    def __str__(self) -> str:
        return shlex.join(self.argv)

    def with_(self, **changes: object) -> Command:
        return replace(self, **changes)  # type: ignore[arg-type]

    def environment(self) -> dict[str, str]:
        """The environment with secrets revealed; for transports only."""
        return {k: v.reveal() if isinstance(v, Secret) else v for k, v in self.env.items()}


@dataclass(frozen=True)
class Result:
    """How a command ended. `stdout` and `stderr` are decoded with replacement of bad bytes."""

    status: int
    stdout: str
    stderr: str

    @property
    def ok(self) -> bool:
        return self.status == 0

    def tail(self, lines: int = 5) -> str:
        """The last lines that say something, standard error first."""
        text = self.stderr.strip() or self.stdout.strip()
        return "\n".join([line for line in text.splitlines() if line.strip()][-lines:])


def run(*argv: str, cwd: str = "", env: Mapping[str, str | Secret] | None = None, timeout: float = 600) -> Command:
    return Command(argv=tuple(argv), cwd=cwd, env=dict(env or {}), timeout=timeout)
