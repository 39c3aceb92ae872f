"""What a host told a moment ago is not asked again while Nuages has changed nothing there."""

import os

import pytest
from agent_module import agent, beside


leases = beside("agent_lock")
ANNA = {"user": "anna", "host": "laptop", "pid": 4, "what": "deploy", "reason": "", "remote": True}


@pytest.fixture
def site(tmp_path, monkeypatch):
    monkeypatch.setattr(agent, "BEFORE", {})
    monkeypatch.setattr(leases, "BEFORE", agent.BEFORE)
    (tmp_path / "audit.jsonl").write_text("")
    return str(tmp_path)


def asked_again(site, mark):
    questions = {"caller": {"kind": "caller"}, "site": {"kind": "site", "dir": site}}
    return set(agent.read_all(questions, {"dir": site, "mark": mark, "keys": ["caller"]}))


def test_where_nothing_was_done_since_the_answers_are_spared(site):
    assert asked_again(site, agent.mark(site)) == {"site"}


def test_where_anybody_has_had_the_lock_since_all_is_answered(site):
    before = agent.mark(site)
    leases.read_lock(site + "/lock.json", "t1", ANNA, 60)
    agent.BEFORE.clear()  # it was another process
    assert asked_again(site, before) == {"caller", "site"}


def test_taking_the_lock_oneself_is_no_change(site):
    before = agent.mark(site)
    leases.read_lock(site + "/lock.json", "t1", ANNA, 60)
    assert asked_again(site, before) == {"site"}


def test_another_release_is_one(site):
    before = agent.mark(site)
    os.symlink("numbered/v2", site + "/live")
    assert asked_again(site, before) == {"caller", "site"}
