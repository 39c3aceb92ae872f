"""nuages lock and nuages audit: who deploys, who did."""

import json
import os
import time

import pytest

from nuages.engine.lock import deploy_lock
from nuages.errors import LockHeldError
from nuages.hosts.local import LocalTransport
from nuages.release.layout import local_site


REMOTE = {"user": "anna", "host": "laptop", "pid": 7, "what": "deploy", "reason": "release day", "remote": True}


@pytest.fixture
def held(deployed):
    """Somebody's laptop deploys, and went silent half a minute ago."""

    def hold(seconds_left=90, **owner):
        now = time.time()
        lock = {"token": "ab12", "owner": {**REMOTE, **owner}, "since": now - 300, "expires": now + seconds_left}
        deployed.lock.write_text(json.dumps(lock))
        return deployed

    return hold


def test_nobody_holds_it_and_nothing_was_done_yet(nuages, project):
    assert nuages("lock").output == "nobody holds the lock\n"
    assert nuages("audit").output == "nothing has been done to this site yet\n"


def test_who_holds_it_why_and_how_it_ends(nuages, held):
    held()
    assert nuages("lock").output.splitlines() == [
        "nuages deploy: release day",
        "  by anna on laptop (pid 7), since 5 min",
        "  ends by itself in 1 min unless it is renewed",
    ]


def test_a_holder_that_is_gone_is_called_so(nuages, held):
    held(seconds_left=-1)
    assert "it has ended without a word" in nuages("lock").output
    assert json.loads(nuages("lock", "--json").output)["holds"] is False


def test_it_is_broken_with_a_reason_that_the_log_keeps(nuages, held):
    held()
    assert nuages("lock", "--break", "-m", "her laptop is lost").output.startswith("taken from anna on laptop (pid 7)")
    assert nuages("lock").output == "nobody holds the lock\n"
    (entry,) = [json.loads(line) for line in nuages("audit", "--json").output.splitlines()]
    assert (entry["event"], entry["held_by"], entry["reason"]) == ("broken", "anna", "her laptop is lost")


def test_it_is_not_broken_while_its_steps_are_carried_out(nuages, held):
    import fcntl

    layout = held()
    with open(layout / "writing", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        result = nuages("lock", "--break")
        assert isinstance(result.exception, LockHeldError)
        assert "being carried out" in nuages("lock").output
    assert layout.lock.exists()


def test_the_log_is_a_table_of_who_what_and_how_it_ended(nuages, project):
    with deploy_lock(LocalTransport(), local_site("shop"), "up", reason="first"):
        pass
    header, taken, released = nuages("audit").output.splitlines()
    assert header.split()[0] == "when"
    assert "nuages up" in taken
    assert "taken" in taken
    assert "released" in released
    assert "nothing changed" in released
    assert os.uname().nodename in released
    assert len(nuages("audit", "-n", "1").output.splitlines()) == 2
