"""What the page is told: from what hosts said, without a secret."""

import json
from dataclasses import replace

import pytest

from nuages.dashboard.changes import between, names_of
from nuages.dashboard.facts import View, assemble
from nuages.dashboard.history import deploys
from nuages.errors import HostError
from nuages.insight.model import HostFacts, Status
from nuages.testing import shop_config, shop_live, shop_release, shop_topology


SALT = b"of this process"
TAKEN = {
    "at": "2026-01-02T03:04:00Z",
    "event": "taken",
    "deploy": "aaaa",
    "who": "ada",
    "host": "laptop",
    "what": "deploy",
    "reason": "sale",
}
RELEASED = {**TAKEN, "at": "2026-01-02T03:04:09Z", "event": "released", "outcome": "2 steps"}


class NoGit:
    def between(self, _old, _new):
        return []


def journal(*lines):
    return "\n".join(json.dumps({"at": "2026-01-02T03:04:05Z", "deploy": "aaaa", **line}) for line in lines)


def step(text, state, **more):
    return {"step": text, "state": state, **more}


DONE = journal(
    step("+ web-1  release v2: c0ffee11, build b2, config v1", "begin"),
    step("+ web-1  release v2: c0ffee11, build b2, config v1", "done", seconds=0.2),
    step("~ web-1  migrate books.0002", "begin"),
    step("~ web-1  migrate books.0002", "done", seconds=1.5),
)


@pytest.fixture
def view():
    live = shop_live(
        shop_release(1), shop_release(2, "b2", config=2), config=shop_config(version=2, env={"PASSWORD": "hunter2"}).as_dict()
    )
    names = {1: names_of({"env": {"OLD": "x"}}, SALT), 2: names_of({"env": {"PASSWORD": "hunter2"}}, SALT)}
    status = Status("shop", "running", "healthy", hosts=(HostFacts("localhost"),))
    return View(shop_topology(), 1.0, status, seen=(live,), journal=DONE, audit=(TAKEN, RELEASED), names=names)


def test_names_of_the_configuration_are_told_and_no_value(view):
    told = assemble(view, NoGit())
    assert told["config"]["names"] == ["PASSWORD"]
    assert "hunter2" not in json.dumps(told)
    assert shop_config().secret_key not in json.dumps(told)


def test_a_release_tells_which_names_and_migrations_it_brought(view):
    newest = assemble(view, NoGit())["releases"][0]
    assert newest["live"]
    assert newest["diff"]["config"] == ["+ PASSWORD", "- OLD"]
    assert newest["diff"]["migrations"] == ["migrate books.0002"]


def test_a_host_that_is_lost_is_the_first_thing_to_be_told(view):
    status = replace(view.status, problems=("web-2: no answer", "web-1: the disk is 97% full"))
    told = assemble(replace(view, status=status, lost={"web-2": HostError("no answer", hint="is it on?")}), NoGit())
    assert [each["what"] for each in told["attention"]] == ["web-2 can't be reached: no answer", "web-1: the disk is 97% full"]


def test_the_values_are_compared_by_digests_that_nobody_can_look_for():
    old, new = ({"env": {"A": value}} for value in ("1", "2"))
    assert between(names_of(old, SALT), names_of(new, SALT)) == ["~ A"]
    assert names_of(old, SALT) != names_of(old, b"of another process")


def test_a_deploy_is_its_steps_and_who_made_it():
    (one,) = deploys(DONE, [TAKEN, RELEASED])
    assert (one["who"], one["machine"], one["reason"], one["seconds"], one["state"]) == ("ada", "laptop", "sale", 9.0, "done")
    assert (one["release"], one["migrations"]) == (2, ["migrate books.0002"])
    assert [s["what"] for s in one["steps"]] == ["release v2: c0ffee11, build b2, config v1", "migrate books.0002"]


def test_a_step_that_failed_and_what_was_taken_back_are_told():
    lines = (
        step("+ web-1  start v3", "begin"),
        step("+ web-1  start v3", "failed", error="it ended"),
        step("+ web-1  release v3: x", "undone"),
    )
    (one,) = deploys(journal(*lines), [TAKEN, {**RELEASED, "outcome": "failed: it ended"}])
    assert one["state"] == "failed"
    assert one["release"] == 0
    assert [(s["state"], s["error"]) for s in one["steps"]] == [("failed", "it ended"), ("undone", "")]


def test_who_only_looked_is_no_change():
    assert deploys("", [TAKEN, {**RELEASED, "outcome": "nothing changed"}]) == []


def test_what_is_under_way_is_told_as_that():
    (one,) = deploys(journal(step("+ web-1  start v3", "begin")), [TAKEN])
    assert one["state"] == "running"


def test_a_journal_cut_in_two_is_read_from_its_first_whole_line():
    assert deploys('"step": "+ web-1  cut", "state": "done"}\n' + DONE, [TAKEN, RELEASED])[0]["release"] == 2
