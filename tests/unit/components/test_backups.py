"""Backups: a timer and programs of ours on the host that leads, and nothing where somebody else makes them."""

import json
from dataclasses import replace

import pytest
from described import lines, shop_placement

from nuages.components.registry import BACKUPS, backup
from nuages.errors import TopologyError
from nuages.topology.backups import Backups, backups_of
from nuages.topology.model import Host


CASES = {
    "backup-on-the-same-machine": Backups(),
    "backup-over-ssh": backups_of({"to": "sftp:ada@nas.example:/backups", "at": "Mon,Thu 02:00"}),
}


def described(placement, backups):
    return backup(backups.engine).describe(replace(placement, topology=replace(placement.topology, backups=backups)))


@pytest.mark.parametrize("case", CASES)
def test_it_describes(case, golden):
    found = described(shop_placement(), CASES[case])
    for description in found:
        for file in description.files:
            if not file.path.endswith(".py"):
                golden(f"{case}{file.path}", file.content)
    golden(f"{case}/steps.txt", "\n".join(line for d in found for line in lines(d)) + "\n")


def test_nothing_of_it_is_secret():
    """The key is made on the host, and travels in no plan."""
    (found,) = described(shop_placement(), Backups())
    config = json.loads(next(f.content for f in found.files if f.path.endswith("backup.json")))
    assert set(config) == {"site", "dir", "account", "to", "keep", "media"}
    assert all(f.mode == 0o600 for f in found.files if "/backups/" in f.path)


def test_of_several_hosts_only_the_first_makes_them():
    placement = shop_placement()
    hosts = (Host("web-1", "192.0.2.11"), Host("web-2", "192.0.2.12"))
    placement = replace(placement, topology=replace(placement.topology, hosts=hosts))
    assert described(placement, Backups())
    assert described(replace(placement, host=hosts[1]), Backups()) == ()


def test_none_makes_none():
    assert described(shop_placement(), Backups(engine="none")) == ()
    assert set(BACKUPS) == {"restic", "none"}


@pytest.mark.parametrize(
    ("table", "where"),
    [
        ({"to": "nas:/backups"}, "backups.to"),
        ({"to": "/mnt/my disk"}, "backups.to"),
        ({"to": "/mnt/%h"}, "backups.to"),
        ({"at": "25 o'clock"}, "backups.at"),
        ({"at": "25:99"}, "backups.at"),
        ({"at": "Mon,Thu 24:00"}, "backups.at"),
        ({"keep": {"daily": -1}}, "backups.keep"),
        ({"keep": {"daily": 0, "weekly": 0, "monthly": 0}}, "backups.keep"),
    ],
)
def test_what_can_t_be_is_refused_by_its_key(table, where):
    with pytest.raises(TopologyError) as told:
        backups_of(table)
    assert told.value.where == where


def test_what_is_not_said_of_keep_stays():
    assert backups_of({"keep": {"daily": 3}}).keep == {"daily": 3, "weekly": 4, "monthly": 6}
