"""What a conversion refuses before anything is changed, and what it stops. Pure."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from nuages.data.convert import Facts, moving, refuse, request_for
from nuages.data.hand import Hand, place_of
from nuages.errors import UsageError
from nuages.hosts.fake import FakeTransport
from nuages.settings.configuration import Configuration
from nuages.testing import shop_placement


FACTS = Facts("sqlite", 80_000, 12, 9_000_000, (), ())
TOPOLOGY = shop_placement().topology


def hand():
    return Hand(place_of(TOPOLOGY, FakeTransport(name="web-1")), "/scratch/1")


def test_what_is_postgresql_already_or_of_another_engine_is_refused():
    for vendor, word in (("postgresql", "already"), ("oracle", "not moved yet")):
        with pytest.raises(UsageError, match=word):
            refuse(replace(FACTS, vendor=vendor))


def test_every_value_that_does_not_fit_is_told_at_once():
    with pytest.raises(UsageError, match="nothing was changed") as caught:
        refuse(
            replace(
                FACTS, wrong=("shop.Book.title: 2 values longer than 40 characters", "shop.Book.n: 1 values out of its range")
            )
        )
    assert len(caught.value.detail.splitlines()) == 2


def test_what_cant_be_closed_to_writes_is_refused_with_what_to_grant():
    with pytest.raises(UsageError, match="closed to writes") as caught:
        refuse(replace(FACTS, vendor="mysql", fence="its user may not make triggers: GRANT TRIGGER ON `shop`.* TO 'shop'@'%'"))
    assert "GRANT TRIGGER" in caught.value.detail


def test_the_new_release_can_read_what_only_the_old_one_was_given_a_driver_for():
    live = SimpleNamespace(config={}, manifest={"versions": {"mysqlclient": "2.2.8"}})
    assert request_for(TOPOLOGY, live, hand()).overrides["packages"][-1] == "mysqlclient>=2.2"
    live = SimpleNamespace(config={}, manifest={"versions": {"pymysql": "1.1.2"}})
    assert "packages" not in request_for(TOPOLOGY, live, hand()).overrides


def test_the_time_behind_the_page_is_told_before():
    assert FACTS.seconds == 25


def test_writers_are_stopped_before_the_fence_and_started_again_where_it_fails():
    processes = [
        {"name": "web", "kind": "web", "state": "running"},
        {"name": "worker", "kind": "worker", "state": "running"},
        {"name": "worker.1", "kind": "worker", "state": "running"},
        {"name": "beat", "kind": "scheduler", "state": "ended"},
    ]
    live = SimpleNamespace(
        supervisor={"generations": {"v3-ab": {"processes": processes}}},
        serving="v3-ab",
        host=SimpleNamespace(address="192.0.2.11"),
        layout=SimpleNamespace(dir=SimpleNamespace(name="shop")),
    )
    (judgement,) = moving(hand())(SimpleNamespace(number=4), live)
    stop, aside, fence, move = judgement.move
    units = ["shop-worker@v3-ab.service", "shop-worker@v3-ab.1.service"]
    assert stop.ops[0]["argv"] == ["systemctl", "stop", *units]
    assert stop.undo[0]["argv"] == ["systemctl", "start", *units]
    assert fence.undo
    assert all('"number": 4' in step.ops[0]["argv"][-1] for step in (aside, move))


def test_the_users_own_address_goes_where_the_servers_database_is_wanted():
    live = SimpleNamespace(config={"env": {"DATABASE_URL": "sqlite:///x"}}, manifest=None)
    request = request_for(TOPOLOGY, live, hand())
    assert request.overrides["services"].database == "postgresql"
    assert request.change(Configuration(version=1, env={"DATABASE_URL": "sqlite:///x"})).env == {}
    own = request_for(TOPOLOGY, live, hand(), url="postgres://a@b/c")
    assert own.overrides == {}
    assert own.change(Configuration(version=1)).env == {"DATABASE_URL": "postgres://a@b/c"}
