"""A burst under ASGI waits for connections that are given back; it does not open one for each request."""

import gc
import threading
import time
from types import SimpleNamespace

import pytest
import shipped_runtime  # noqa: F401 - makes nuages_runtime importable
from nuages_runtime import bounded


class Connection:
    """What a driver gives."""


class Wrapper:
    vendor, alias, settings_dict = "postgresql", "default", {}

    def __init__(self):
        self.connection = None

    def _connect(self):
        self.connection = Connection()

    def _close(self):
        self.connection = None

    connect = bounded.connecting(_connect, 2)
    close = bounded.closing(_close)


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    bounded._shares.clear()
    monkeypatch.setattr(bounded, "PATIENCE", 0.3)


def connected(count):
    wrappers = [Wrapper() for _ in range(count)]
    for each in wrappers:
        each.connect()
    return wrappers


def seconds(work):
    begun = time.monotonic()
    work()
    return time.monotonic() - begun


def test_up_to_its_share_nobody_waits():
    assert seconds(lambda: connected(2)) < 0.2


def test_who_comes_later_waits_for_one_that_is_closed():
    first, _second = connected(2)
    threading.Timer(0.05, first.close).start()
    assert seconds(Wrapper().connect) < 0.25


def test_what_is_never_given_back_is_no_deadlock():
    kept = connected(2)
    late = Wrapper()
    assert seconds(late.connect) >= 0.29
    assert late.connection is not None
    assert kept


def test_a_connection_that_nobody_closed_gives_its_share_back_when_it_is_gone():
    kept = connected(2)
    kept.pop()
    gc.collect()
    assert seconds(Wrapper().connect) < 0.2
    assert kept


def test_closing_twice_gives_back_once():
    one, two = connected(2)
    one.close()
    one.close()
    connected_again = Wrapper()
    connected_again.connect()
    assert seconds(Wrapper().connect) >= 0.29
    assert two


def test_a_connection_that_broke_is_replaced_within_its_share():
    one, two = connected(2)
    assert seconds(one.connect) < 0.2
    assert two


def test_one_that_fails_takes_no_share(monkeypatch):
    def refused(_self):
        raise OSError("refused")

    broken = bounded.connecting(refused, 2)
    for _try in range(3):
        with pytest.raises(OSError, match="refused"):
            broken(Wrapper())
    assert seconds(lambda: connected(2)) < 0.2


@pytest.mark.parametrize(
    "kind", [{"vendor": "sqlite", "settings_dict": {}}, {"vendor": "postgresql", "settings_dict": {"OPTIONS": {"pool": True}}}]
)
def test_files_and_pools_are_not_shared_out(kind):
    assert bounded.share_of(SimpleNamespace(alias="default", **kind), 2) is None


def test_under_wsgi_nothing_changes():
    from django.db.backends.base.base import BaseDatabaseWrapper

    before = BaseDatabaseWrapper.connect
    bounded.install({"interface": "wsgi", "threads": 2})
    assert BaseDatabaseWrapper.connect is before
