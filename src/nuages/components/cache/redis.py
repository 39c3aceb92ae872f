"""Redis, two instances at most: a cache that may forget, and a queue that may not.

One instance for both would drop waiting tasks when pages fill the memory, or refuse tasks when they do. The queue is
there only where the project keeps something in Redis (`needs.wants_queue`). docs/components/redis.md tells which URL is
understood by what: redis-py, Django, rq, Channels want unix://, Celery redis+socket://.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from nuages.components.budget import MIB, budget
from nuages.components.cache import Cache
from nuages.components.cache.needs import REDIS_NAMES, celery_names, wants_queue
from nuages.components.cache.store import (
    HERE,
    Store,
    store,
    unit_file,
)
from nuages.components.contract import Action, Description, Directory, File, Placement, Unit
from nuages.components.templating import head, render
from nuages.hosts.command import Command
from nuages.topology.model import Topology


PARTS = {"cache": "Cache", "queue": "Queue"}
DJANGO = (4, 0)  # the first with a Redis cache of its own


class Redis(Cache):
    name: ClassVar[str] = "redis"
    package: ClassVar[str] = "redis-server"
    program: ClassVar[str] = "/usr/bin/redis-server"
    title: ClassVar[str] = "Redis"

    def describe(self, placement: Placement) -> tuple[Description, ...]:
        parts = PARTS if wants_queue(placement.manifest) else ("cache",)
        first, *more = (self.instance(placement, store(placement.topology, part)) for part in parts)
        folder = Directory(f"/etc/nuages/{placement.topology.name}")
        # Its own instance, which the package starts on a port of loopback, serves nobody.
        nobodys = Unit(f"{self.package}.service", enabled=False, running=False, of_package=self.package)
        return replace(first, directories=(folder,), units=(nobodys, *first.units)), *more

    def instance(self, placement: Placement, place: Store) -> Description:
        shares = budget(placement.machine, placement.topology)
        memory = shares.cache if place.part == "cache" else shares.queue
        what = f"{PARTS[place.part]} of the site {place.site} ({self.title})"
        unit = f"/etc/systemd/system/{place.unit}"
        interrupts = "the queueing of tasks for a second; what waits there stays" if place.part == "queue" else ""
        return Description(
            name=f"{self.name}-{place.part}",
            what=f"{what}, {memory // MIB} MB",
            packages=(self.package,),
            files=(
                File(place.config, self.config(place, memory)),
                File(unit, unit_file(place, placement, what, f"{self.program} {place.config}", memory, notify=True)),
            ),
            units=(Unit(place.unit, on=(place.config, unit), interrupts=interrupts),),
            actions=(keeps(place),) if place.part == "queue" else (),
            exports=self.exports(placement.topology, placement.manifest) if place.part == "cache" else {},
        )

    def config(self, place: Store, memory: int) -> str:
        first = head(place.site, "docs/components/redis.md says what may be changed, and how").rstrip("\n")
        return render(HERE, "redis.conf.j2", head=first, place=place, memory_mb=memory // MIB)

    def exports(self, topology: Topology, uses: Mapping[str, Any]) -> Mapping[str, str]:
        """`uses` empty: nothing is known of the project yet, and the names that most projects read are given."""
        cache, queue = store(topology, "cache").socket, store(topology, "queue").socket
        kept = queue if not uses or wants_queue(uses) else cache
        names = {"REDIS_URL", *(name for name in uses.get("reads") or () if REDIS_NAMES.search(name))}
        celery = dict.fromkeys(celery_names(uses), f"redis+socket://{queue}?virtual_host=0")
        return {"CACHE_URL": f"unix://{cache}?db=0", **dict.fromkeys(sorted(names), f"unix://{kept}?db=0"), **celery}

    def requires(self, uses: Mapping[str, Any]) -> tuple[str, ...]:
        version = str((uses.get("versions") or {}).get("django") or "")
        numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
        return () if numbers and numbers < DJANGO else ("redis[hiredis]>=5",)


def keeps(place: Store) -> Action:
    """systemd makes the folder for the unit's own user (StateDirectory), below /var/lib/private."""
    private = f"/var/lib/private/{place.run}"
    return Action(
        key=f"{place.run}-data",
        what=f"the queue is kept in /var/lib/{place.run}",
        why="what waits there outlives a restart",
        command=Command(("test", "-d", private)),
        undo=Command(("rm", "-rf", "--", private, f"/var/lib/{place.run}")),
        erases=True,
    )
