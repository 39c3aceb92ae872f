"""memcached: a cache and nothing else. A project that keeps tasks or channels in Redis wants valkey or redis."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from nuages.components.budget import MIB, budget
from nuages.components.cache import Cache
from nuages.components.cache.store import store, unit_file
from nuages.components.contract import Description, File, Placement, Unit
from nuages.topology.model import Topology


class Memcached(Cache):
    name: ClassVar[str] = "memcached"

    def describe(self, placement: Placement) -> tuple[Description, ...]:
        place, memory = store(placement.topology, "cache"), budget(placement.machine, placement.topology).cache
        what = f"Cache of the site {place.site} (memcached)"
        # -s: the socket alone, no port. -a: its mode, octal, for the site's group.
        command = f"/usr/bin/memcached -s {place.socket} -a 0770 -m {memory // MIB} -c 1024 -t 2"
        unit = f"/etc/systemd/system/{place.unit}"
        return (
            Description(
                name="memcached",
                what=f"{what}, {memory // MIB} MB",
                packages=("memcached",),
                files=(File(unit, unit_file(place, placement, what, command, memory, notify=False)),),
                units=(
                    # Its own instance, which the package starts on a port of loopback, serves nobody.
                    Unit("memcached.service", enabled=False, running=False, of_package="memcached"),
                    Unit(place.unit, on=(unit,)),
                ),
                exports=self.exports(placement.topology, placement.manifest),
            ),
        )

    def exports(self, topology: Topology, uses: Mapping[str, Any]) -> Mapping[str, str]:
        return {"CACHE_URL": f"memcached://{store(topology, 'cache').socket}"}

    def requires(self, uses: Mapping[str, Any]) -> tuple[str, ...]:
        return ("pymemcache>=4",)
