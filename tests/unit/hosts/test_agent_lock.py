"""The lease: renewed, broken, ended; and the log that keeps who held it."""

import json
import os

import pytest
from agent_module import agent, beside


leases = beside("agent_lock")
ANNA = {"user": "anna", "host": "laptop", "pid": 4, "what": "deploy", "reason": "release day", "remote": True}
BEN = {"user": "ben", "host": "ci", "pid": 5, "what": "lock --break", "reason": "her laptop is lost"}


@pytest.fixture
def lock(tmp_path):
    return str(tmp_path / "site" / "lock.json")


def events(lock):
    return [
        (line["event"], line["who"], line.get("outcome"))
        for line in leases.read_audit(os.path.join(os.path.dirname(lock), "audit.jsonl"))
    ]


def test_a_client_elsewhere_holds_as_long_as_its_lease_even_under_the_name_of_this_host(lock):
    """Process numbers mean nothing over SSH, also where both machines are called the same."""
    leases.read_lock(lock, "t1", {**ANNA, "host": os.uname().nodename, "pid": 2**22 - 1}, 60)
    assert leases.read_lock(lock, "t2", BEN, 60)["holder"]["token"] == "t1"


def test_a_lease_that_was_not_renewed_ends_by_itself_and_the_log_says_so(lock):
    leases.read_lock(lock, "t1", ANNA, -1)
    assert leases.read_lock(lock, "t2", BEN, 60) == {"taken": True}
    assert events(lock) == [("taken", "anna", None), ("ended by itself", "anna", "nothing changed"), ("taken", "ben", None)]


def test_renewing_moves_the_end(lock):
    leases.read_lock(lock, "t1", ANNA, -1)
    assert leases.read_renew(lock, "t1", 60) == {"held": True}
    assert leases.read_lock(lock, "t2", BEN, 60)["holder"]["token"] == "t1"


def test_what_went_to_another_is_not_renewed(lock):
    leases.read_lock(lock, "t1", ANNA, -1)
    leases.read_lock(lock, "t2", BEN, 60)
    assert leases.read_renew(lock, "t1", 60) == {"held": False}
    assert agent.read_json(lock)["token"] == "t2"


def test_asking_again_with_the_same_token_is_no_conflict(lock):
    """A question may be asked twice where its answer was lost."""
    leases.read_lock(lock, "t1", ANNA, 60)
    assert leases.read_lock(lock, "t1", ANNA, 60) == {"taken": True}


def test_breaking_it_is_written_down_with_who_and_why(lock):
    leases.read_lock(lock, "t1", ANNA, 60)
    assert leases.read_break_lock(lock, BEN)["broken"]["token"] == "t1"
    assert leases.read_locked(lock)["writing"] is False
    last = leases.read_audit(os.path.join(os.path.dirname(lock), "audit.jsonl"))[-1]
    assert (last["event"], last["who"], last["held_by"], last["reason"]) == ("broken", "ben", "anna", "her laptop is lost")


def test_it_is_not_broken_while_steps_are_carried_out(lock):
    leases.read_lock(lock, "t1", ANNA, 60)
    with agent._alone(os.path.join(os.path.dirname(lock), "writing")):
        assert leases.read_break_lock(lock, BEN)["writing"] is True
        assert leases.read_locked(lock)["writing"] is True
    assert os.path.exists(lock)


def test_breaking_what_nobody_holds_is_no_error(lock):
    assert leases.read_break_lock(lock, BEN) == {}


def test_the_log_names_login_and_address_of_a_caller_over_ssh(lock, monkeypatch):
    monkeypatch.setitem(agent.CALLER, "as", "ops")
    monkeypatch.setitem(agent.CALLER, "from", "203.0.113.9")
    leases.read_lock(lock, "t1", ANNA, 60)
    leases.read_unlock(lock, "t1", "failed: the disk is full")
    taken, released = leases.read_audit(os.path.join(os.path.dirname(lock), "audit.jsonl"))
    assert {k: taken[k] for k in ("who", "as", "from", "host", "what", "reason")} == {
        "who": "anna",
        "as": "ops",
        "from": "203.0.113.9",
        "host": "laptop",
        "what": "deploy",
        "reason": "release day",
    }
    assert released["outcome"] == "failed: the disk is full"


def test_a_line_of_the_log_that_was_cut_in_two_is_passed_over(tmp_path):
    (tmp_path / "audit.jsonl").write_text('{"event": "taken"}\n{"event": "rel')
    assert leases.read_audit(str(tmp_path / "audit.jsonl")) == [{"event": "taken"}]


def written(tmp_path, token, capsys):
    step = {"text": "+ a", "deploy": token, "ops": [{"op": "file", "path": str(tmp_path / "site" / "a"), "content": ""}]}
    agent.write([step], str(tmp_path / "site" / "journal.jsonl"))
    return [json.loads(line[1:]) for line in capsys.readouterr().out.split("\n") if line]


@pytest.fixture(autouse=True)
def _signals():
    before = agent.signal.getsignal(agent.signal.SIGTERM)
    yield
    agent.signal.signal(agent.signal.SIGTERM, before)


def test_steps_under_a_lock_are_carried_out_and_counted(lock, tmp_path, capsys):
    leases.read_lock(lock, "t1", ANNA, 60)
    assert [e["event"] for e in written(tmp_path, "t1", capsys)] == ["begin", "done"]
    leases.read_unlock(lock, "t1")
    assert events(lock)[-1] == ("released", "anna", "1 step")


@pytest.mark.parametrize("successor", ["ben took it", "it was broken"])
def test_steps_under_a_lock_that_is_gone_are_refused(lock, tmp_path, capsys, successor):
    leases.read_lock(lock, "t1", ANNA, -1)
    if successor == "ben took it":
        leases.read_lock(lock, "t2", BEN, 60)
    else:
        leases.read_break_lock(lock, BEN)
    (event,) = written(tmp_path, "t1", capsys)
    assert (event["event"], event["what"]) == ("failed", "this deploy's lock is gone")
    assert not (tmp_path / "site" / "a").exists()


def test_a_host_that_never_had_the_lock_takes_steps_all_the_same(tmp_path, capsys):
    """Of several hosts the first holds the lock for all."""
    assert [e["event"] for e in written(tmp_path, "t1", capsys)] == ["begin", "done"]


def test_stopping_where_nothing_is_under_way_says_so(tmp_path):
    assert leases.read_cancel(str(tmp_path / "journal.jsonl")) == {"stopped": False}
