"""Hosts: where commands run. Only this room (and the lab) starts processes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from nuages.errors import HostError
from nuages.hosts.local import LocalTransport


if TYPE_CHECKING:
    from nuages.hosts.transport import Transport


class Declared(Protocol):
    """What of a topology matters here."""

    @property
    def remote(self) -> bool: ...
    @property
    def hosts(self) -> tuple[Any, ...]: ...


@dataclass(frozen=True)
class Hosts:
    """`here` is this machine, where builds are made; `all` are where the site lives. The first of them leads: it numbers
    releases, holds the configuration and runs the migrations."""

    here: Transport
    all: tuple[Transport, ...]

    @property
    def lead(self) -> Transport:
        return self.all[0]


T = TypeVar("T")


def together(transports: Sequence[Transport], work: Callable[[Transport], T]) -> list[T]:
    """Do the same on every host at the same time. Raises what one raised; of several, a HostError that tells each."""
    if len(transports) == 1:
        return [work(transports[0])]
    from concurrent.futures import ThreadPoolExecutor, wait  # it brings logging along, which takes longer than the rest of us

    with ThreadPoolExecutor(len(transports)) as pool:
        futures = [pool.submit(work, transport) for transport in transports]
        try:
            wait(futures)
        except KeyboardInterrupt:  # only this thread hears of it
            for transport in transports:
                transport.cancel()
            raise
    failures = [error for future in futures if (error := future.exception())]
    if len(failures) == 1:
        raise failures[0]
    if failures:
        raise HostError(f"{len(failures)} hosts failed", detail="\n".join(map(str, failures))) from failures[0]
    return [future.result() for future in futures]


@contextlib.contextmanager
def reach(topology: Declared, *, accept_new: bool = False) -> Iterator[Hosts]:
    """The way to the hosts of a topology: its servers, or this machine. Nothing is connected before it is asked."""
    here = LocalTransport()
    if not topology.remote:
        yield Hosts(here, (here,))
        return
    from nuages.hosts.ssh import reach_servers

    with reach_servers(topology, accept_new=accept_new) as servers:
        yield Hosts(here, tuple(servers))
