"""The collector asks for what can have changed, and keeps what it knew when nobody answers."""

import json

import pytest

from nuages.dashboard.board import Board
from nuages.dashboard.collector import Collector
from nuages.dashboard.facts import View
from nuages.errors import HostError
from nuages.insight.model import HostFacts, Status
from nuages.testing import LAYOUT, shop_config, shop_live, shop_release, shop_topology


TAKEN = {"event": "taken", "deploy": "aaaa", "at": "2026-01-02T03:04:00Z", "what": "deploy"}


class Host:
    """Answers, and remembers what it was asked."""

    def __init__(self):
        self.asked = []

    def read(self, questions):
        self.asked.append(set(questions))
        config = shop_config(env={"PASSWORD": "hunter2"}).as_dict()
        answers = {"lock": {"writing": False}, "it": '{"deploy": "aaaa"}\n'}
        return {key: config if key.startswith("config") else answers[key] for key in questions}


@pytest.fixture
def collector(tmp_path):
    return Collector(tmp_path, Board())


def history(collector, host, audit, **live):
    return collector._history(host, LAYOUT, shop_live(shop_release(1), shop_release(2, "b2", 2), **live), audit)


def test_a_journal_and_a_configuration_that_cannot_have_changed_are_not_asked_for_again(collector):
    host = Host()
    told = [history(collector, host, [TAKEN]) for _ in range(2)]
    assert host.asked == [{"lock", "it", "config 1", "config 2"}, {"lock"}]
    assert told[0]["journal"] == told[1]["journal"]


def test_while_somebody_deploys_the_journal_is_asked_for_again(collector):
    host = Host()
    history(collector, host, [TAKEN])
    history(collector, host, [TAKEN], locked=True)
    history(collector, host, [TAKEN, {**TAKEN, "event": "released"}])
    assert [("it" in asked) for asked in host.asked] == [True, True, True]


def test_of_a_configuration_it_keeps_no_value(collector):
    history(collector, Host(), [])
    assert "hunter2" not in repr(vars(collector))


def test_when_nobody_answers_what_was_known_stays_under_what_is_wrong(collector):
    host = {"name": "web-1", "reachable": True, "system": "Debian", "processes": [{"name": "web"}]}
    collector.board.show_facts({"site": "shop", "at": 7.0, "state": "running", "release": {"number": 3}, "hosts": [host]})
    status = Status("shop", "unknown", "unknown", hosts=(HostFacts("web-1", reachable=False, problem="no answer"),))
    told = collector._as_before(View(shop_topology(), 99.0, status, lost={"web-1": HostError("no answer", hint="is it on?")}))
    assert (told["at"], told["release"], told["verdict"]) == (7.0, {"number": 3}, "unknown")
    assert told["attention"][0]["what"] == "web-1 can't be reached: no answer"
    assert told["hosts"][0]["reachable"] is False
    assert json.dumps(told)


def test_a_mistake_in_nuages_toml_is_shown_beside_what_was_known(collector, tmp_path):
    (tmp_path / "nuages.toml").write_text("port = [")
    collector.board.show_facts({"site": "shop", "at": 7.0, "state": "running"})
    collector._round()
    assert "nuages.toml" in collector.board.facts["attention"][0]["what"]
    assert collector.board.facts["state"] == "running"
