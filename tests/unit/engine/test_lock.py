"""One deploy at a time, and what the next one is told."""

import json
import subprocess
import threading
import time

import pytest

from nuages.engine import lock
from nuages.engine.lock import break_lock, deploy_lock, lock_and_read, locked, owner
from nuages.errors import HostError, LockHeldError, ReleaseError
from nuages.testing import LAYOUT, FakeTransport


@pytest.fixture
def host():
    return FakeTransport()


def outcomes(host):
    lines = host.read({"it": {"kind": "audit", "path": str(LAYOUT.audit)}})["it"]
    return [(line["event"], line.get("outcome")) for line in lines]


def test_the_next_one_is_told_who_for_what_and_why(host):
    with deploy_lock(host, LAYOUT, "deploy", reason="release day"):
        with pytest.raises(LockHeldError) as error, deploy_lock(host, LAYOUT, "scale"):
            pass
        assert "has been running `nuages deploy` (release day)" in error.value.what
        assert "nuages lock" in error.value.hint


def test_it_is_free_afterwards_and_its_questions_are_answered_under_it(host):
    with lock_and_read(host, LAYOUT, "deploy", {"lock now": {"kind": "json", "path": str(LAYOUT.lock)}}) as (token, answers):
        assert answers["lock now"]["token"] == token
    assert "holder" not in locked(host, LAYOUT)


def test_one_who_waits_gets_it_when_it_is_free(host, monkeypatch):
    monkeypatch.setattr(lock, "LOOK", 0.05)
    held = threading.Event()

    def hold():
        with deploy_lock(host, LAYOUT, "deploy"):
            held.set()
            time.sleep(0.3)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(5)
    with deploy_lock(host, LAYOUT, "scale", wait=5):
        pass
    thread.join()


def test_waiting_ends_too(host, monkeypatch):
    monkeypatch.setattr(lock, "LOOK", 0.05)
    started = time.monotonic()
    with deploy_lock(host, LAYOUT, "deploy"), pytest.raises(LockHeldError), deploy_lock(host, LAYOUT, "scale", wait=0.3):
        pass
    assert 0.25 < time.monotonic() - started < 3


def test_the_log_says_how_it_ended(host):
    with pytest.raises(ReleaseError), deploy_lock(host, LAYOUT, "deploy"):
        raise ReleaseError("it does not start")
    with pytest.raises(KeyboardInterrupt), deploy_lock(host, LAYOUT, "deploy"):
        raise KeyboardInterrupt
    assert outcomes(host) == [
        ("taken", None),
        ("released", "failed: it does not start"),
        ("taken", None),
        ("released", "stopped"),
    ]


def test_a_broken_lock_is_gone_and_says_from_whom(host):
    with deploy_lock(host, LAYOUT, "deploy"):
        assert break_lock(host, LAYOUT, "her laptop is lost")["owner"]["what"] == "deploy"
        assert break_lock(host, LAYOUT) is None
    assert ("broken", None) in outcomes(host)


def test_it_is_not_broken_while_its_steps_are_carried_out(host):
    host._read_break_lock = lambda path, who: {"holder": {}, "writing": True}
    with pytest.raises(LockHeldError, match="being carried out"):
        break_lock(host, LAYOUT)


class Server(FakeTransport):
    """On another machine."""

    remote = True


def test_on_a_server_the_lease_is_renewed_while_its_holder_lives(monkeypatch):
    monkeypatch.setattr(lock, "BEAT", 0.05)
    server = Server()
    with deploy_lock(server, LAYOUT, "deploy"):
        first = locked(server, LAYOUT)["holder"]["expires"]
        time.sleep(0.3)
        assert locked(server, LAYOUT)["holder"]["expires"] > first
        assert locked(server, LAYOUT)["holder"]["owner"]["remote"] is True


def test_a_beat_that_fails_is_no_end(monkeypatch):
    monkeypatch.setattr(lock, "BEAT", 0.05)
    server = Server()
    real, fail = server._read_renew, threading.Event()

    def renew(**how):
        if not fail.is_set():
            fail.set()
            raise HostError("the connection was lost")
        return real(**how)

    server._read_renew = renew
    with deploy_lock(server, LAYOUT, "deploy"):
        first = json.loads(server.disk.read(str(LAYOUT.lock)))["expires"]
        time.sleep(0.4)
        assert json.loads(server.disk.read(str(LAYOUT.lock)))["expires"] > first


def test_what_went_wrong_is_not_hidden_by_a_host_that_is_gone(host):
    def gone(**_how):
        raise HostError("the connection was lost")

    def deploy():
        with deploy_lock(host, LAYOUT, "deploy"):
            host._read_unlock = gone
            raise ReleaseError("it does not start")

    with pytest.raises(ReleaseError):
        deploy()


def test_a_client_of_this_machine_that_was_killed_is_taken_over_at_once():
    server = Server()
    dead = subprocess.Popen(["true"])
    dead.wait()
    holder = {**owner(server, "deploy"), "pid": dead.pid}
    question = {"kind": "lock", "path": str(LAYOUT.lock), "token": "dead", "owner": holder, "seconds": 120}
    assert server.read({"it": question})["it"]["taken"]

    with deploy_lock(server, LAYOUT, "deploy") as token:
        assert locked(server, LAYOUT)["holder"]["token"] == token


def test_a_process_of_another_machine_or_of_an_earlier_boot_is_not_taken_for_dead():
    server = Server()
    holder = {**owner(server, "deploy"), "pid": 2**22 + 1, "counted_in": "another"}
    server.read({"it": {"kind": "lock", "path": str(LAYOUT.lock), "token": "far", "owner": holder, "seconds": 120}})

    with pytest.raises(LockHeldError), deploy_lock(server, LAYOUT, "deploy"):
        pass
