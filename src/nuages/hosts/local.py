"""This machine as a host."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from nuages.errors import CommandError, CommandTimeoutError, HostError
from nuages.hosts.answers import LONGEST, Answers, time_limit
from nuages.hosts.command import Command, Result
from nuages.hosts.process import Conversation, attached, end_group, wait_for
from nuages.hosts.transport import Progress
from nuages.secret import Secret


__all__ = ["LONGEST", "LocalTransport", "clean_environment", "end_group", "time_limit", "wait_for"]

AGENT = Path(__file__).with_name("agent.py")
KEPT = (
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "TMPDIR",
    "LANG",
    "LC_ALL",
    "XDG_CACHE_HOME",
    "XDG_DATA_HOME",
    "XDG_RUNTIME_DIR",
)
# What package tools need to reach their registries from behind a company's proxy or mirror.
KEPT_PREFIXES = (
    "UV_",
    "PIP_",
    "SSL_CERT_",
    "REQUESTS_CA_",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "npm_config_",
)


def clean_environment(extra: Mapping[str, str]) -> dict[str, str]:
    """The caller's environment is not the site's: keep what finds programs and registries, drop the rest."""
    kept = {k: v for k, v in os.environ.items() if k in KEPT or k.startswith(KEPT_PREFIXES)}
    return {"LANG": "C.UTF-8", "PATH": os.defpath, **kept, **extra}


class LocalTransport:
    """Run commands on this machine."""

    name = "localhost"
    remote = False
    gate = False

    def run(self, command: Command, progress: Progress | None = None) -> Result:
        taken: list[str] = []
        stdin = command.stdin if isinstance(command.stdin, str) else command.stdin.reveal()

        def tell(line: str) -> None:
            if progress and line.strip():
                progress(line.rstrip("\n"))

        def hear(line: str) -> None:
            taken.append(line)
            tell(line)

        try:
            env = clean_environment(command.environment())
            conversation = Conversation(command.argv, (stdin.encode(),), hear, mutter=tell, cwd=command.cwd, env=env)
        except OSError as error:
            raise HostError(f"can't start {command.argv[0]}: {error.strerror}", where=self.name) from error
        try:
            status = conversation.end(command.timeout)
        except subprocess.TimeoutExpired as error:
            conversation.stop()
            raise CommandTimeoutError(f"{command} took longer than {command.timeout:g} s", where=self.name) from error
        except BaseException:
            conversation.stop()
            raise
        return Result(status, "".join(taken), "".join(conversation.errors))

    def check(self, command: Command, progress: Progress | None = None) -> Result:
        result = self.run(command, progress)
        if not result.ok:
            raise CommandError(f"{command} ended with {result.status}", where=self.name, detail=result.tail(12))
        return result

    def read(self, questions: Mapping[str, Mapping[str, Any]], spare: Mapping[str, Any] | None = None) -> dict[str, Any]:
        return self._agent({"read": questions}, lambda _event: None)

    def write(self, steps: Iterable[Mapping[str, Any]], journal: str, progress: Callable[[dict[str, Any]], None]) -> None:
        self._agent({"write": list(steps), "journal": journal}, progress)

    @contextlib.contextmanager
    def scratch(self, files: Mapping[str, str], links: Mapping[str, str] | None = None, owner: str = "") -> Iterator[str]:
        question = {"kind": "scratch", "files": dict(files), "links": dict(links or {}), "owner": owner}
        path = str(self.read({"it": question})["it"]["path"])
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

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
        """Hard links where it is the same file system."""
        sent = sum(_put(path, Path(store, digest[:2], digest)) for digest, path in pieces.items())
        if steps:
            self.write(steps, journal, lambda _event: None)
        return sent

    def fetch(self, path: str, to: Path, progress: Progress) -> int:
        partial = to.with_name(f"{to.name}.{os.getpid()}.partial")
        try:
            os.close(os.open(partial, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600))
            shutil.copyfile(path, partial)
            partial.replace(to)
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise HostError(f"can't copy {path}: {error.strerror}", where=self.name) from error
        return to.stat().st_size

    def cancel(self) -> None:
        """Nothing: what is run here ends with the Ctrl-C itself."""

    def confirm(self) -> None:
        """Nobody is locked out of this machine by what is done on it."""

    def execute(
        self, argv: tuple[str, ...], env: Mapping[str, str], cwd: str = "", user: str = "", *, terminal: bool = True
    ) -> int:
        """Run a command with this terminal, in this environment and no other; its exit status."""
        try:
            return attached(argv, env, cwd)
        except FileNotFoundError:
            print(f"{argv[0]}: no such command", file=sys.stderr)  # noqa: T201 - as a shell says it, among what the command says
            return 127

    def _agent(self, request: Mapping[str, Any], progress: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
        """Pipe a request to the agent; its answers are JSON lines after a marker, so that noise is skipped."""
        answers = Answers(progress)
        stdin = Secret(json.dumps(request) + "\n")
        command = Command((sys.executable, "-I", "-S", str(AGENT)), stdin=stdin, timeout=time_limit(request))
        result = self.run(command, answers.take)
        answers.raise_failure(self.name)
        if answers.answer is None:
            raise HostError("the agent ended early", where=self.name, detail=result.tail())
        return answers.answer


def _put(source: Path, place: Path) -> int:
    """Bytes that came in: those of a file that was not there yet."""
    size = source.stat().st_size
    if place.exists() and place.stat().st_size == size:
        return 0
    place.parent.mkdir(parents=True, exist_ok=True)
    partial = place.with_name(f"{place.name}.{os.getpid()}.partial")
    try:
        os.link(source, partial)
    except OSError:
        shutil.copyfile(source, partial)
    partial.replace(place)
    return size
