"""Services as add-ons: what a site has, and what may take the place of what."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from nuages.components.contract import Machine
from nuages.engine.addons import addons_of, known_name, refuse_change, with_role
from nuages.errors import UsageError
from nuages.topology.model import Host, Services, Topology


SHOP = Topology(root=Path("/project"), name="shop", hosts=(Host("web-1", "192.0.2.11"),), supervisor="systemd", server="granian")
MACHINE = Machine(2, 4 << 30, os="debian", os_version="13")
QUEUED = {"reads": ["REDIS_URL"]}


def test_a_server_gives_a_database_and_a_cache_with_their_variables():
    found = {addon.name: addon for addon in addons_of(SHOP, MACHINE, {}, {})}
    assert set(found) == {"postgresql", "valkey"}
    assert set(found["postgresql"].gives) == {"DATABASE_URL"}
    assert all(addon.memory for addon in found.values())


def test_a_queue_is_told_where_the_project_keeps_something_in_redis():
    assert [addon.queue for addon in addons_of(SHOP, MACHINE, QUEUED, {})] == [False, True]


def test_a_variable_that_the_configuration_sets_is_the_users():
    [database, _cache] = addons_of(SHOP, MACHINE, {}, {"DATABASE_URL": "postgres://u:secret@db.example/d"})
    assert database.yours == ("DATABASE_URL",)
    assert "secret" not in repr(database)


def test_a_service_elsewhere_is_told_where_none_of_ours_is():
    bare = replace(SHOP, services=Services(database="none", cache="none"))
    assert addons_of(bare, MACHINE, {}, {}) == ()
    [found] = addons_of(bare, MACHINE, {}, {"DATABASE_URL": "mysql://u:secret@db.example/d"})
    assert (found.name, found.role, found.yours) == ("mysql", "elsewhere", ("DATABASE_URL",))


@pytest.mark.parametrize(
    ("typed", "name"), [("heroku-postgresql:mini", "postgresql"), ("heroku-redis", "valkey"), ("memcached", "memcached")]
)
def test_herokus_names_are_understood(typed, name):
    assert known_name(typed) == name


def test_an_unknown_one_is_refused_with_a_guess():
    with pytest.raises(UsageError) as refused:
        known_name("postgressql")
    assert "did you mean postgresql?" in refused.value.hint


def test_a_change_that_would_lose_rows_or_tasks_is_refused():
    for now in ("sqlite", "none"):
        with pytest.raises(UsageError, match="would begin without them"):
            refuse_change(now, "postgresql", {}, deployed=True)
    refuse_change("sqlite", "postgresql", {}, deployed=False)
    with pytest.raises(UsageError, match="memcached keeps nothing"):
        refuse_change("valkey", "memcached", QUEUED, deployed=True)
    refuse_change("valkey", "memcached", {}, deployed=True)


def test_a_role_is_filled_otherwise():
    assert with_role(Services(), "cache", "none").cache == "none"
    assert with_role(Services(), "database", "sqlite").database == "sqlite"
