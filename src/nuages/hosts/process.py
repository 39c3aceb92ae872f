"""Processes on this machine: fed, listened to, ended with all that they started."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import threading
from collections.abc import Callable, Iterable, Mapping


class Conversation:
    """A process with a thread for each of its streams, so that none of them can hold up another.

    `say` may yield for as long as it likes; the input is closed after it. `hear` gets each line of standard output as it
    comes, and "" at the end. What goes to standard error is kept, and told to `mutter` too.
    """

    def __init__(
        self,
        argv: tuple[str, ...],
        say: Iterable[bytes],
        hear: Callable[[str], None],
        *,
        mutter: Callable[[str], None] = lambda _line: None,
        cwd: str = "",
        env: Mapping[str, str] | None = None,
    ) -> None:
        """Raises OSError when there is no such program."""
        pipe = subprocess.PIPE
        self.errors: list[str] = []
        self.process = subprocess.Popen(
            argv, stdin=pipe, stdout=pipe, stderr=pipe, cwd=cwd or None, env=env, start_new_session=True
        )
        # The input has a thread too: a process that does not read it must still meet its time limit.
        jobs: tuple[Callable[[], None], ...] = (lambda: self._hear(hear), lambda: self._mutter(mutter), lambda: self._say(say))
        self.threads = [threading.Thread(target=job, daemon=True) for job in jobs]
        for thread in self.threads:
            thread.start()

    def end(self, seconds: float) -> int:
        """Its exit status. Raises subprocess.TimeoutExpired."""
        wait_for(self.process, seconds)
        for thread in self.threads:
            thread.join(2)
        return self.process.returncode

    def stop(self) -> None:
        end_group(self.process)

    def _hear(self, hear: Callable[[str], None]) -> None:
        assert self.process.stdout  # noqa: S101
        with self.process.stdout as stream:
            for raw in stream:
                hear(raw.decode("utf-8", "replace"))
        hear("")

    def _mutter(self, mutter: Callable[[str], None]) -> None:
        assert self.process.stderr  # noqa: S101
        with self.process.stderr as stream:
            for raw in stream:
                line = raw.decode("utf-8", "replace")
                self.errors.append(line)
                mutter(line)

    def _say(self, say: Iterable[bytes]) -> None:
        assert self.process.stdin  # noqa: S101
        with contextlib.suppress(OSError, ValueError), self.process.stdin as stream:
            for chunk in say:
                stream.write(chunk)
                stream.flush()


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


def attached(argv: tuple[str, ...], env: Mapping[str, str], cwd: str = "") -> int:
    """Run a program with this terminal; its exit status, 128 and the signal's number where one ended it. Ctrl-C is its own
    matter: it gets it as this process does."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        process = subprocess.Popen(argv, env=env, cwd=cwd or None, preexec_fn=_with_interrupt)  # noqa: PLW1509
        status = process.wait()
    finally:
        signal.signal(signal.SIGINT, before)
    return status if status >= 0 else 128 - status


def _with_interrupt() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
