"""App server: turns HTTP into calls of the project's WSGI or ASGI callable.

An alternative says what it adds to the project's environment, and which process it is. The process takes its listening
socket from LISTEN_FDS (sd_listen_fds(3)), proves itself before it accepts, and drains on SIGTERM within `drain` seconds.
"""

from __future__ import annotations

from typing import ClassVar, Protocol

from nuages.components.contract import Placement, ProcessSpec


class AppServer(Protocol):
    name: ClassVar[str]
    serves_asgi: ClassVar[bool]  # can it run an ASGI callable, with websockets?
    adopts_socket: ClassVar[bool]  # does it serve a socket that was opened before it started?

    def requires(self, interface: str) -> tuple[str, ...]:
        """What it adds to the project's lock, as requirement lines; the least versions are the proved ones."""

    def process(self, placement: Placement) -> ProcessSpec:
        """The web process."""
