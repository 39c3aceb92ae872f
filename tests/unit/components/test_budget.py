"""Memory and connections of a server: both generations fit, beside PostgreSQL, a cache and the proxy."""

import pytest

from nuages.components import budget as room
from nuages.components.appserver.sizing import threads_for, workers_for
from nuages.components.contract import Machine
from nuages.testing import shop_build, shop_config, shop_desired, shop_live, shop_topology
from nuages.topology.model import Host


MIB, GIB = 2**20, 2**30
SIZES = {"1 GB": 960 * MIB, "2 GB": 1970 * MIB, "4 GB": 3900 * MIB, "24 GB": 24100 * MIB}
each_size = pytest.mark.parametrize("memory", SIZES.values(), ids=SIZES)
each_core = pytest.mark.parametrize("cores", [1, 2, 8])
WORKER = {"name": "worker", "kind": "worker", "command": "celery -A shop worker", "source": "Procfile"}
BEAT = {"name": "beat", "kind": "scheduler", "command": "celery -A shop beat", "source": "Procfile"}
URL = {"DATABASE_URL": "postgresql://shop@/shop?host=/var/run/postgresql"}


def placed(cores, memory, **declared):
    topology = shop_topology(hosts=(Host("web-1"),), **declared)
    live = shop_live(machine=Machine(cores, memory, os="debian", os_version="13"))
    return shop_desired(live, shop_build(processes=[WORKER, BEAT]), shop_config(env=URL), topology=topology).placement


@each_size
@each_core
def test_the_parts_are_not_more_than_the_machine_has(memory, cores):
    shares = room.budget(Machine(cores, memory))
    assert shares.system + shares.postgres + shares.cache + shares.queue // 4 + shares.app <= memory


@each_size
@each_core
def test_two_generations_with_a_worker_and_a_scheduler_fit(memory, cores):
    placement = placed(cores, memory)
    web = workers_for(placement)
    assert web >= 2
    assert room.needed(web, 1, 1) <= room.budget(placement.machine).app
    assert room.shortage(placement.machine, placement.topology, web, 1, 1) == ""


@each_size
@each_core
def test_two_generations_fit_into_the_connections(memory, cores):
    placement = placed(cores, memory)
    threads, web = threads_for(placement), workers_for(placement)
    background = (cores + 1) * room.GENERATIONS + 1
    used = threads * web * room.GENERATIONS + background
    assert threads * web >= 6
    assert used <= room.connection_limit(placement.machine) < room.max_connections(placement.machine)


def test_what_postgresql_takes_depends_on_the_machine_alone_so_two_sites_agree():
    machine = Machine(2, 4 * GIB)
    one, other = room.budget(machine, shop_topology()), room.budget(machine, shop_topology(memory="700M"))
    assert (one.shared_buffers, one.postgres, one.cache) == (other.shared_buffers, other.postgres, other.cache)
    assert other.app == 700 * MIB


def test_a_few_megabytes_more_or_less_change_nothing():
    assert room.budget(Machine(2, 3900 * MIB)) == room.budget(Machine(2, 3891 * MIB))


def test_a_site_that_does_not_fit_is_told_by_how_much():
    told = room.shortage(Machine(1, 1 * GIB), None, web=4, background=3)
    assert told == "two generations take about 1110 MB and there is room for 580 MB: fewer workers, or a larger host"


def test_a_machine_that_does_not_tell_is_taken_for_a_small_one():
    assert room.budget(Machine(2, 0)) == room.budget(Machine(2, GIB))


@each_size
def test_limits_end_a_leak_before_it_takes_the_others_memory(memory):
    machine = Machine(2, memory)
    site = room.site_limits(machine)
    assert site.high < site.most < memory
    for kind in ("web", "worker", "scheduler"):
        limits = room.process_limits(machine, None, kind)
        assert limits.high < limits.most < site.most


@pytest.mark.parametrize(
    ("text", "bytes_"), [("", 0), ("800M", 800 * MIB), ("2G", 2 * GIB), ("1048576", MIB), ("512k", 512 * 1024)]
)
def test_sizes_are_written_as_systemd_writes_them(text, bytes_):
    assert room.size(text) == bytes_
