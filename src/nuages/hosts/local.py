"""This machine as a host."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from nuages.errors import CommandError, CommandTimeoutError, HostError
from nuages.hosts.command import Command, Result
from nuages.hosts.transport import Progress
from nuages.secret import Secret


AGENT = Path(__file__).with_name("agent.py")
LONGEST = 3600  # seconds for what an agent does by itself: reads, copies, removes
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

    def run(self, command: Command, progress: Progress | None = None) -> Result:
        try:
            process = subprocess.Popen(
                command.argv,
                cwd=command.cwd or None,
                env=clean_environment(command.environment()),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            raise HostError(f"can't start {command.argv[0]}: {error.strerror}", where=self.name) from error
        return self._communicate(process, command, progress)

    def _communicate(self, process: subprocess.Popen[bytes], command: Command, progress: Progress | None) -> Result:
        chunks: dict[str, list[str]] = {"stdout": [], "stderr": []}

        def drain(name: str) -> None:
            with getattr(process, name) as stream:
                for raw in stream:
                    line = raw.decode("utf-8", "replace")
                    chunks[name].append(line)
                    if progress and line.strip():
                        progress(line.rstrip("\n"))

        def feed() -> None:
            stdin = command.stdin if isinstance(command.stdin, str) else command.stdin.reveal()
            assert process.stdin  # noqa: S101
            with contextlib.suppress(BrokenPipeError), process.stdin:
                process.stdin.write(stdin.encode())

        # The input has a thread too: a command that does not read it must still meet its time limit.
        threads = [threading.Thread(target=drain, args=(name,), daemon=True) for name in chunks]
        threads.append(threading.Thread(target=feed, daemon=True))
        for thread in threads:
            thread.start()
        try:
            wait_for(process, command.timeout)
        except subprocess.TimeoutExpired as error:
            end_group(process)
            raise CommandTimeoutError(f"{command} took longer than {command.timeout:g} s", where=self.name) from error
        except BaseException:
            end_group(process)
            raise
        for thread in threads:
            thread.join(2)
        return Result(process.returncode, "".join(chunks["stdout"]), "".join(chunks["stderr"]))

    def check(self, command: Command, progress: Progress | None = None) -> Result:
        result = self.run(command, progress)
        if not result.ok:
            raise CommandError(f"{command} ended with {result.status}", where=self.name, detail=result.tail(12))
        return result

    def read(self, questions: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        return self._agent({"read": questions}, lambda _event: None)

    def write(self, steps: Iterable[Mapping[str, Any]], journal: str, progress: Callable[[dict[str, Any]], None]) -> None:
        self._agent({"write": list(steps), "journal": journal}, progress)

    def _agent(self, request: Mapping[str, Any], progress: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
        """Pipe a request to the agent; its answers are JSON lines after a marker, so that noise is skipped."""
        answer: dict[str, Any] = {}
        failure: dict[str, Any] = {}

        def read_line(line: str) -> None:
            if not line.startswith("\x1e"):
                return
            event = json.loads(line[1:])
            if event["event"] == "answer":
                answer.update(event["answer"])
            elif event["event"] == "failed":
                failure.update(event)
                progress(event)
            else:
                progress(event)

        command = Command(
            (sys.executable, "-I", "-S", str(AGENT)), stdin=Secret(json.dumps(request)), timeout=time_limit(request)
        )
        result = self.run(command, read_line)
        if failure:
            raise CommandError(
                failure["what"],
                where=self.name,
                detail=failure.get("detail", ""),
                hint=failure.get("hint", ""),
            )
        if not result.ok:
            raise HostError("the agent ended early", where=self.name, detail=result.tail())
        return answer


def time_limit(request: Mapping[str, Any]) -> float:
    """As long as its commands may take, going and being taken back: the agent ends each of them itself."""
    ops = [op for step in request.get("write", ()) for op in (*step.get("ops", ()), *step.get("undo", ()))]
    return LONGEST + sum(float(op.get("timeout", 0)) for op in ops)


def wait_for(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Until it ends, told by the kernel where it can: Popen.wait looks only every twentieth of a second."""
    with contextlib.suppress(AttributeError, OSError):
        watched = os.pidfd_open(process.pid)
        try:
            select.select([watched], [], [], seconds)
        finally:
            os.close(watched)
        seconds = 0
    process.wait(seconds)


def end_group(process: subprocess.Popen[bytes]) -> None:
    """End a process and what it started: TERM, five seconds, KILL."""
    for name in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, name)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5)
            return
