"""A host of 1 GB with websockets, long jobs and a scheduler lives through deploy after deploy, and is left as it was found."""

from __future__ import annotations

import re

import pytest
from deployed import Deployed, eventually, first
from live_site import FULL

from nuages.lab.faults import Memory


GIB = 1 << 30
DEPLOYS = 50 if FULL else 4
APART = r"/etc/(mtab|resolv.conf|ld.so.cache|\.pwd.lock|(passwd|shadow|group|gshadow|subuid|subgid)-$)"


@pytest.fixture(scope="module")
def small(lab, tmp_path_factory):
    """Limited from outside before anything is installed: what is sized by the machine's memory sees it."""
    (host,) = lab.up("small-1")
    host.fault(Memory(GIB))
    shop = Deployed(tmp_path_factory.mktemp("small"), host, jobs=True, sockets=True, more="[serve]\ndrain = 90")
    shop.bare = looks(host)
    first(shop)
    yield shop
    lab.down(host.name)


def looks(host):
    """Every file of /etc by its content, and the packages."""
    files = host.must(r"find /etc -xdev \( -type f -exec sha256sum {} + \) -o \( -type l -printf '%l %p\n' \)").splitlines()
    packages = host.must("dpkg-query -W -f '${Package} ${Status}\n' | grep installed").splitlines()
    return sorted(line for line in files if not re.search(APART, line)), packages


def asked(shop, query):
    return shop.host.must("runuser", "-u", "shop", "--", "psql", "-XAtc", query).split()


@pytest.mark.timeout(1200 if not FULL else 10000)
def test_it_lives_through_many_deploys_and_no_job_is_lost_or_run_twice(small):
    reboots = small.host.must("cat /proc/sys/kernel/random/boot_id")
    with small.traffic(sockets=3, seconds=9000) as seen:
        for number in range(DEPLOYS):
            small.get("/jobs", {"name": f"long {number}", "seconds": 20})
            small.get("/jobs", {"name": f"short {number}", "seconds": 0})
            small.bring(f"deploy {number}")
        eventually(lambda: asked(small, "select count(*) from books_job where ended is null") == ["0"], within=60 + 30 * DEPLOYS)

    assert seen.lost == 0, seen
    assert seen.report.sent["socket word"] > DEPLOYS
    assert asked(small, "select count(*), min(runs), max(runs) from books_job") == [f"{2 * DEPLOYS}|1|1"]
    assert asked(small, "select second from books_tick group by 1 having count(*) > 1") == []
    assert reboots == small.host.must("cat /proc/sys/kernel/random/boot_id")
    nothing_was_killed_for_memory(small.host)
    assert small.host.run("grep -rhE 'too many clients|connection slots' /var/log/postgresql").stdout == ""
    small.in_order()


def nothing_was_killed_for_memory(host):
    """Told by the kernel for the whole host, where it counts them, and by systemd for each unit."""
    told = host.run("cat /sys/fs/cgroup/memory/memory.oom_control /sys/fs/cgroup/memory.events 2>/dev/null").stdout
    assert re.findall(r"^oom_kill (\d+)$", told, re.MULTILINE) == ["0"], told
    assert host.run("journalctl --no-pager | grep -E 'oom-kill|Out of memory'").stdout == ""


@pytest.mark.timeout(900)
def test_it_is_left_as_it_was_found_and_data_stays_until_asked_twice(small):
    small.get("/books", {"title": "kept"})
    small.nuages("destroy", "--yes", "shop")
    assert small.host.run("ss -Hltn 'sport = :443'").stdout == ""
    assert small.host.run("ls /etc/nginx /etc/systemd/system/shop-web@.service").stdout == ""
    small.nuages("deploy")
    assert "kept" in small.get("/books").body

    small.nuages("destroy", "--yes", "shop", "--with-data")

    files, packages = looks(small.host)
    assert packages == small.bare[1]
    assert files == small.bare[0]
    assert small.host.run("ls -d /srv/shop /var/lib/nuages /etc/nuages").stdout == ""
