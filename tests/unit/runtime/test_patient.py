"""A database that restarts is waited for; one that refuses us is not."""

import threading
import time
from types import SimpleNamespace

import pytest
import shipped_runtime  # noqa: F401 - makes nuages_runtime importable
from nuages_runtime import patient


REFUSED = 'connection to server on socket "/var/run/postgresql/.s.PGSQL.5432" failed: Connection refused'


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch):
    monkeypatch.setattr(patient, "PATIENCE", 0.3)
    monkeypatch.setattr(patient, "PAUSE", 0.01)
    patient._away_until.clear()


class Server:
    """Fails as often as it is told to, then takes connections."""

    def __init__(self, failures, said=REFUSED):
        self.failures, self.said, self.asked = failures, said, 0
        self.connect = patient.patient(self._connect)

    def _connect(self, connection):
        self.asked += 1
        if self.asked <= self.failures:
            raise OSError(self.said)


def ours(alias="default", vendor="postgresql"):
    return SimpleNamespace(alias=alias, vendor=vendor)


@pytest.mark.parametrize(
    "said", [REFUSED, "FATAL:  the database system is starting up", "FATAL:  the database system is shutting down"]
)
def test_a_server_that_restarts_is_waited_for(said):
    server = Server(5, said)
    server.connect(ours())
    assert server.asked == 6


@pytest.mark.parametrize(
    "said", ["FATAL:  role does not exist", "FATAL:  sorry, too many clients already", "password authentication failed"]
)
def test_a_server_that_refuses_us_is_not(said):
    server = Server(5, said)
    with pytest.raises(OSError, match=r"FATAL|password"):
        server.connect(ours())
    assert server.asked == 1


def test_another_kind_of_database_is_left_as_it_is():
    server = Server(1)
    with pytest.raises(OSError, match="refused"):
        server.connect(ours(vendor="sqlite"))


def test_a_server_that_stays_away_is_waited_for_once_and_then_is_an_error_at_once():
    server = Server(10**6)
    with pytest.raises(OSError, match="refused"):
        server.connect(ours())
    asked, begun = server.asked, time.monotonic()
    with pytest.raises(OSError, match="refused"):
        server.connect(ours())
    assert server.asked == asked + 1
    assert time.monotonic() - begun < 0.2


def test_who_asks_how_things_stand_is_told_at_once():
    server, said = Server(5), []

    def ask():
        patient.hurry()
        try:
            server.connect(ours())
        except OSError as error:
            said.append(str(error))

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    assert (said, server.asked) == ([REFUSED], 1)


def test_once_it_answers_it_is_waited_for_again():
    patient._away_until["default"] = time.monotonic() + 60
    server = Server(0)
    server.connect(ours())
    assert "default" not in patient._away_until


def test_installed_twice_is_once():
    from django.db.backends.base.base import BaseDatabaseWrapper

    before = BaseDatabaseWrapper.connect
    try:
        patient.install()
        once = BaseDatabaseWrapper.connect
        patient.install()
        assert BaseDatabaseWrapper.connect is once is not before
    finally:
        BaseDatabaseWrapper.connect = before
