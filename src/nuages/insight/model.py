"""What is known of a site at one moment. Frozen, and `as_dict()` is stable JSON: scripts and the dashboard read it.

What could not be found out is None (or empty), never a guess.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


HEALTHY, DEGRADED, DOWN, NEVER, UNKNOWN = "healthy", "degraded", "down", "never deployed", "unknown"


@dataclass(frozen=True)
class Process:
    """`since` in seconds of the epoch. `generation` is the release that it serves, `draining` one that ends."""

    host: str
    name: str
    kind: str
    state: str
    generation: str
    draining: bool = False
    pid: int | None = None
    since: float | None = None
    restarts: int = 0
    memory_kb: int = 0
    ended: str = ""

    @property
    def well(self) -> bool:
        return self.state in ("running", "starting", "waiting")


@dataclass(frozen=True)
class Updates:
    """Packages that wait; `checked` is when the lists of packages were fetched, seconds of the epoch, 0: never."""

    pending: int = 0
    security: int = 0
    checked: float = 0
    reboot: bool = False


@dataclass(frozen=True)
class HostFacts:
    """One machine. Sizes in bytes; `load` over 1, 5 and 15 minutes; `clock` is how far its clock is ahead of ours, in seconds.

    Where it can't be reached, `problem` and `hint` say why and the rest is empty.
    """

    name: str
    reachable: bool = True
    problem: str = ""
    hint: str = ""
    system: str = ""
    cores: int = 0
    load: tuple[float, ...] = ()
    memory: int = 0
    memory_free: int = 0
    swap: int = 0
    swap_free: int = 0
    disk: int = 0
    disk_free: int = 0
    inodes_free: float = 1.0
    uptime: float = 0
    clock: float = 0
    updates: Updates | None = None
    stopped: tuple[str, ...] = ()  # what the site stands on and does not run, in words

    @property
    def disk_used(self) -> float:
        return 1 - self.disk_free / self.disk if self.disk else 0

    @property
    def memory_used(self) -> float:
        return 1 - self.memory_free / self.memory if self.memory else 0


@dataclass(frozen=True)
class Certificate:
    host: str
    names: tuple[str, ...] = ()
    issuer: str = ""
    not_after: float = 0
    days_left: float = 0
    problem: str = ""


@dataclass(frozen=True)
class ReleaseFacts:
    number: int
    build: str
    commit: str = ""
    dirty: bool = False
    config: int = 0
    by: str = ""
    at: str = ""
    django: str = ""
    python: str = ""
    back_to: int = 0


@dataclass(frozen=True)
class Deploy:
    """A change under the site's lock. `outcome` is "" while it is under way."""

    at: str
    who: str
    what: str
    outcome: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Minute:
    """One bar of a chart."""

    at: int
    requests: int
    errors: int
    p50: float = 0
    p95: float = 0


@dataclass(frozen=True)
class Traffic:
    """Requests of the last `seconds`, from the proxy's log (on this machine from the app server's). Times in seconds.

    `seconds` is less than what was asked for where the log is younger, or where reading it was bounded (`partial`).
    """

    seconds: float
    requests: int = 0
    errors: int = 0  # 5xx
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None
    partial: bool = False
    minutes: tuple[Minute, ...] = ()

    @property
    def per_minute(self) -> float:
        return self.requests * 60 / self.seconds if self.seconds else 0

    @property
    def error_share(self) -> float:
        return self.errors / self.requests if self.requests else 0


@dataclass(frozen=True)
class Backup:
    """The newest one that is known of."""

    at: float
    ok: bool
    what: str = ""
    where: str = ""
    problem: str = ""


@dataclass(frozen=True)
class ErrorCount:
    """Groups of errors that nobody has resolved; `new` came with the live release; `hour` is how many in the last hour."""

    groups: int = 0
    new: int = 0
    hour: int = 0
    unsent: str = ""  # why the last message about an error could not be sent


@dataclass(frozen=True)
class ErrorGroup:
    """One kind of error. `release` is the one that brought it; times in seconds of the epoch; `hours` and the others are counts."""

    id: str
    type: str
    where: str
    message: str
    count: int
    first: float
    last: float
    release: int
    build: str = ""
    releases: Mapping[int, int] = field(default_factory=dict)
    processes: Mapping[str, int] = field(default_factory=dict)
    hosts: Mapping[str, int] = field(default_factory=dict)
    hours: Mapping[int, int] = field(default_factory=dict)
    resolved: float = 0
    reopened: int = 0  # the release in which it came back after it had been resolved

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Status:
    site: str
    state: str  # running, stopped, never deployed, unknown: of the host that leads
    verdict: str
    environment: str = "production"
    url: str = ""
    maintenance: bool = False
    release: ReleaseFacts | None = None
    hosts: tuple[HostFacts, ...] = ()
    processes: tuple[Process, ...] = ()
    deploys: tuple[Deploy, ...] = ()
    certificates: tuple[Certificate, ...] = ()
    backup: Backup | None = None
    traffic: Traffic | None = None
    errors: ErrorCount | None = None
    problems: tuple[str, ...] = ()  # why it is not healthy
    notes: tuple[str, ...] = ()  # worth knowing, and no reason to be woken
    at: float = 0
    facts: Mapping[str, Mapping[str, Any]] = field(
        default_factory=dict, repr=False
    )  # what `nuages status` has always told, by host

    def as_dict(self) -> dict[str, Any]:
        told = asdict(self)
        del told["facts"]
        if self.traffic and told["traffic"]:
            told["traffic"] |= {"per_minute": self.traffic.per_minute, "error_share": self.traffic.error_share}
        return told
