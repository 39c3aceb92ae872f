"""Memory and database connections of a server, shared out so that two generations of the site are alive at once.

Bytes throughout. What the whole host shares (PostgreSQL's settings) depends on the machine alone, so that two sites on
it never want two different things. Sizes are what was measured: a web worker of a Django site takes 57 MB (proportional
share, with libraries counted once), a Celery worker with one child 105 MB, a scheduler 55 MB, an idle database
connection 3 MB. Limits are no reservations: they end a leak, not a busy hour.
"""

from __future__ import annotations

from dataclasses import dataclass

from nuages.components.contract import Machine
from nuages.topology.model import Topology


MIB = 2**20
GIB = 2**30
GENERATIONS = 2
WEB_WORKER, WORKER, SCHEDULER = 60 * MIB, 105 * MIB, 55 * MIB
CONNECTION = 3 * MIB
UNKNOWN = 1 * GIB  # what a machine is taken for that doesn't tell
SMALL, MIDDLE, LARGE = 3 * GIB // 2, 3 * GIB, 7 * GIB  # a machine sold as 8 GB tells less
SPARE_CONNECTIONS = 8  # migrations, a shell, a snapshot, health questions, jobs of the clock
UNITS = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


@dataclass(frozen=True)
class Budget:
    """`app`: all processes of the site, of both generations. `cache` and `queue` are the stores' `maxmemory`."""

    total: int
    system: int  # kernel, systemd, sshd, journal, proxy
    shared_buffers: int
    postgres: int  # with its connections
    cache: int
    queue: int
    app: int


def budget(machine: Machine, topology: Topology | None = None) -> Budget:
    total = steady(machine.memory or UNKNOWN)
    system = 128 * MIB + total // 32
    buffers = _between(total // 8 // (16 * MIB) * (16 * MIB), 32 * MIB, 8 * GIB)
    postgres = buffers + 24 * MIB + CONNECTION * site_connections(machine) // 2
    cache = _between(total // 32 // (8 * MIB) * (8 * MIB), 16 * MIB, 512 * MIB)
    queue = _between(total // 16 // (8 * MIB) * (8 * MIB), 32 * MIB, 1 * GIB)
    stores = cache + queue // 4 + 24 * MIB
    left = max(total - system - postgres - stores, 192 * MIB)
    declared = size(topology.memory) if topology else 0
    return Budget(total, system, buffers, postgres, cache, queue, declared or left)


def steady(memory: int) -> int:
    """Rounded down, so that a new kernel that keeps a few megabytes more changes no file and restarts no database."""
    step = 64 * MIB if memory < 2 * GIB else 256 * MIB if memory < 8 * GIB else GIB
    return max(memory // step * step, 64 * MIB)


def max_connections(machine: Machine) -> int:
    """PostgreSQL's own default is 100. Each that is used costs `CONNECTION`."""
    return 200 if machine.memory >= LARGE else 150 if machine.memory >= MIDDLE else 100


def site_connections(machine: Machine) -> int:
    """What one site's generations may hold together; the rest is for other sites and for people."""
    memory = machine.memory or UNKNOWN
    return 40 if memory < SMALL else 70 if memory < MIDDLE else 100 if memory < LARGE else 140


def connection_limit(machine: Machine) -> int:
    """Of the site's role: where PostgreSQL refuses it, so that another site still gets in."""
    return max_connections(machine) * 3 // 4


def threads(machine: Machine, web_workers: int, background: int = 0, schedulers: int = 0, most: int = 32) -> int:
    """Threads of each web worker: each may hold one connection, in the old generation and in the new one.

    A background process is taken to hold one for each core and one for itself (Celery's prefork, with its default).
    Schedulers don't overlap.
    """
    taken = SPARE_CONNECTIONS + schedulers + GENERATIONS * background * (max(1, machine.cores) + 1)
    return _between((site_connections(machine) - taken) // (GENERATIONS * max(1, web_workers)), 2, most)


def web_workers(machine: Machine, topology: Topology | None = None, background: int = 0, schedulers: int = 0) -> int:
    """One for each core, two at least, 16 at most, and fewer where two generations of them have no room."""
    cores = _between(machine.cores, 2, 16)
    left = budget(machine, topology).app - GENERATIONS * background * WORKER - schedulers * SCHEDULER
    return _between(left // (GENERATIONS * WEB_WORKER), 1, cores)


def needed(web: int, background: int = 0, schedulers: int = 0) -> int:
    """What a site takes while a deploy switches: everything twice, but the scheduler."""
    return GENERATIONS * (web * WEB_WORKER + background * WORKER) + schedulers * SCHEDULER


def shortage(machine: Machine, topology: Topology | None, web: int, background: int = 0, schedulers: int = 0) -> str:
    """What the plan says where both generations don't fit; "" where they do."""
    room, need = budget(machine, topology).app, needed(web, background, schedulers)
    if need <= room:
        return ""
    return f"two generations take about {need // MIB} MB and there is room for {room // MIB} MB: fewer workers, or a larger host"


@dataclass(frozen=True)
class Limits:
    """`high`: from here on the kernel takes memory back (MemoryHigh); `most`: here it ends a process (MemoryMax)."""

    high: int
    most: int


def site_limits(machine: Machine, topology: Topology | None = None) -> Limits:
    """Of the slice that holds all processes of a site."""
    app = budget(machine, topology).app
    return Limits(app, app + app // 8)


def process_limits(machine: Machine, topology: Topology | None, kind: str) -> Limits:
    """Of one unit (a web process with its workers, one worker, a job); one that leaks leaves the others their room."""
    app = budget(machine, topology).app
    if kind == "scheduler":
        return Limits(max(app // 4, 128 * MIB), max(app // 3, 160 * MIB))
    return Limits(app * 5 // 8, app * 3 // 4)


def size(text: str) -> int:
    """Bytes of "800M" (systemd's MemoryMax); 0 for ""."""
    text = text.strip()
    if not text:
        return 0
    return int(text[:-1]) * UNITS[text[-1].upper()] if text[-1].upper() in UNITS else int(text)


def _between(value: int, least: int, most: int) -> int:
    return max(least, min(value, most))
