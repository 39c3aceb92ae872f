"""How many workers and threads: from cores, memory and database connections, with two generations alive.

More workers than cores only cost memory (about 40-100 MB each); threads are cheap and keep slow clients from
holding up the others, but each may hold one database connection, in the old generation and in the new one.
"""

from __future__ import annotations

from nuages.components import budget
from nuages.components.contract import Placement


MEMORY_PER_WORKER = 150 * 2**20
THREADS = 32
# PostgreSQL's and MySQL's defaults are 100 and 151; some are kept for people, workers and migrations.
CONNECTIONS = 80
GENERATIONS = budget.GENERATIONS
NETWORK = ("postgres", "mysql", "mariadb", "oracle")


def workers_for(placement: Placement) -> int:
    chosen = placement.scale.get("web") or placement.topology.scale.get("web")
    if chosen:
        return chosen
    if placement.manifest["interface"] == "asgi" and _in_memory_channels(placement):
        return 1
    if placement.topology.remote:  # PostgreSQL, a cache and the proxy are on the machine as well
        return budget.web_workers(placement.machine, placement.topology, *beside(placement))
    cores = max(2, placement.machine.cores)
    fitting = placement.machine.memory // (MEMORY_PER_WORKER * GENERATIONS) if placement.machine.memory else cores
    return int(max(1, min(cores, fitting, 16)))


def threads_for(placement: Placement) -> int:
    if placement.topology.threads:
        return placement.topology.threads
    if not _network_database(placement):
        return THREADS
    if placement.topology.remote:
        return budget.threads(placement.machine, workers_for(placement), *beside(placement), most=THREADS)
    return max(2, min(THREADS, CONNECTIONS // (GENERATIONS * workers_for(placement))))


def beside(placement: Placement) -> tuple[int, int]:
    """(background processes, schedulers) that run beside the web process."""
    processes = [
        (p["kind"], placement.scale.get(p["name"], placement.topology.scale.get(p["name"], 1)))
        for p in placement.manifest["processes"]
    ]
    return sum(n for kind, n in processes if kind == "worker"), sum(min(1, n) for kind, n in processes if kind == "scheduler")


def _network_database(placement: Placement) -> bool:
    databases = placement.manifest["facts"].get("databases") or {}
    engines = " ".join(str(d.get("engine", "")) for d in databases.values()) if isinstance(databases, dict) else ""
    return any(name in engines for name in NETWORK) or "DATABASE_URL" in placement.env


def _in_memory_channels(placement: Placement) -> bool:
    return bool((placement.manifest["facts"].get("channels") or {}).get("in_memory"))
