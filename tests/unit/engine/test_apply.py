"""Apply decides nothing: it carries steps out in order on a host and says what became of them."""

import json
from dataclasses import replace

import pytest

from nuages.engine.apply import apply as apply_on
from nuages.engine.lock import deploy_lock
from nuages.engine.model import Plan, Seat, Step
from nuages.engine.observe import observe
from nuages.engine.plan import make_plan
from nuages.errors import InterruptedDeployError, LockHeldError, StateError
from nuages.hosts.command import Result
from nuages.migrations.model import Judgement, Operation, Pending
from nuages.testing import (
    LAYOUT,
    Entry,
    FakeTransport,
    shop_build,
    shop_config,
    shop_desired,
    shop_live,
    shop_release,
    shop_supervisor,
    shop_topology,
)


TOPOLOGY = shop_topology()
FIRST = make_plan(shop_desired(shop_live()), shop_live(), (Judgement(pending=(), everything=True),))


def apply(plan, here, live, token, report):
    apply_on(plan, (Seat(here, live),), token, report)


def host(**how):
    return FakeTransport({f"{LAYOUT.dir}/x": ""}, **how)


def journal_of(here):
    return [json.loads(line) for line in here.disk.read(str(LAYOUT.journal)).splitlines()]


def test_the_same_text_is_planned_told_and_journalled():
    here, told = host(), []
    apply(FIRST, here, shop_live(), "t1", told.append)
    texts = [str(step) for step in FIRST.steps]
    assert here.steps == texts
    assert [event["text"] for event in told if event["event"] == "done"] == texts
    assert [line["step"] for line in journal_of(here) if line["state"] == "done"] == texts
    assert {line["deploy"] for line in journal_of(here)} == {"t1"}


def test_what_is_applied_is_observed_afterwards():
    here = host()
    apply(FIRST, here, shop_live(), "t1", lambda _event: None)
    here.status = shop_supervisor("v1-bbbb")
    after = observe(here, LAYOUT, TOPOLOGY)
    assert (after.number, after.serving, after.config["version"], after.site["name"]) == (1, "v1-bbbb", 1, "shop")


def test_applied_once_nothing_is_left_to_do():
    here = host()
    apply(FIRST, here, shop_live(), "t1", lambda _event: None)
    here.status = shop_supervisor("v1-bbbb")
    here.disk.place(f"{shop_build().path}/manifest.json", Entry(b"{}"))
    after = observe(here, LAYOUT, TOPOLOGY)
    assert make_plan(shop_desired(after), after).empty


def test_secrets_reach_the_disk_with_mode_0600_and_never_the_journal():
    here = host()
    live = shop_live()
    config = shop_config(env={"PASSWORD": "hunter2"})
    apply(make_plan(shop_desired(live, config=config), live), here, live, "t1", lambda _event: None)
    holding = {path: entry.mode for path, entry in here.disk.entries.items() if b"hunter2" in entry.content}
    assert holding
    assert set(holding.values()) == {0o600}
    assert str(LAYOUT.journal) not in holding


@pytest.mark.parametrize("number", range(1, len(FIRST.switch) + 1))
def test_a_first_deploy_that_fails_at_any_step_names_nothing_live(number):
    here = host(fail_at=number)
    with pytest.raises(InterruptedDeployError) as error:
        apply(FIRST, here, shop_live(), "t1", lambda _event: None)
    assert error.value.where in str(FIRST.switch[number - 1])
    assert "nothing is running" in error.value.hint
    assert observe(here, LAYOUT, TOPOLOGY).release is None
    assert not here.disk.exists(str(LAYOUT.live))


def deployed():
    here = host()
    apply(FIRST, here, shop_live(), "t1", lambda _event: None)
    here.status = shop_supervisor("v1-bbbb")
    live = observe(here, LAYOUT, TOPOLOGY)
    return here, live, make_plan(shop_desired(live, shop_build("b2"), token="cccc"), live)


STEPS_OF_A_SWITCH = len(deployed()[2].switch)


@pytest.mark.parametrize("number", range(1, STEPS_OF_A_SWITCH + 1))
def test_a_deploy_that_fails_at_any_step_leaves_the_old_release_live(number):
    here, live, plan = deployed()
    here.fail_at = len(here.steps) + number
    with pytest.raises(InterruptedDeployError) as error:
        apply(plan, here, live, "t2", lambda _event: None)
    assert "v1 still serves" in error.value.hint
    after = observe(here, LAYOUT, TOPOLOGY)
    assert (after.number, list(after.numbered)) == (1, ["v1"])


@pytest.mark.parametrize("number", range(1, STEPS_OF_A_SWITCH + 1))
def test_a_generation_that_was_started_is_discarded_when_a_later_step_fails(number):
    here, live, plan = deployed()
    here.fail_at = len(here.steps) + number
    with pytest.raises(InterruptedDeployError):
        apply(plan, here, live, "t2", lambda _event: None)
    started = any("start v2-cccc" in c for c in map(str, here.commands))
    discarded = any("discard v2-cccc" in c for c in map(str, here.commands))
    assert discarded or not started


def test_a_step_that_fails_after_the_switch_takes_nothing_back():
    here, live, _plan = deployed()
    settle = (Step("-", "localhost", "old folders", "", ({"op": "run", "argv": ["/bin/false"]},)),)
    here.answers["/bin/false"] = Result(1, "", "busy")
    with pytest.raises(InterruptedDeployError) as error:
        apply(Plan(settle=settle), here, live, "t2", lambda _event: None)
    assert "the new release is live" in error.value.hint
    assert error.value.detail == "busy"


def test_an_empty_plan_touches_no_host():
    here = host()
    apply(Plan(), here, shop_live(), "t1", lambda _event: None)
    assert here.steps == []
    assert not here.disk.exists(str(LAYOUT.journal))


def test_only_one_deploys_at_a_time():
    here = host()
    with (
        deploy_lock(here, LAYOUT, "up"),
        pytest.raises(LockHeldError, match="has been running `nuages up`"),
        deploy_lock(here, LAYOUT, "deploy"),
    ):
        pass
    with deploy_lock(here, LAYOUT, "deploy") as token:
        assert token


def test_the_lock_is_given_back_when_the_deploy_fails():
    here = host()
    with pytest.raises(ZeroDivisionError), deploy_lock(here, LAYOUT, "up"):
        raise ZeroDivisionError
    assert not here.disk.exists(str(LAYOUT.lock))


def site_of(**values):
    record = {"schema": 1, "name": "shop", "root": str(TOPOLOGY.root), "port": 8000, **values}
    return FakeTransport({str(LAYOUT.site_file): json.dumps(record)})


def test_state_of_a_newer_nuages_is_left_alone():
    with pytest.raises(StateError, match="written by a newer Nuages"):
        observe(site_of(schema=99), LAYOUT, TOPOLOGY)


def test_a_site_of_another_folder_is_left_alone():
    with pytest.raises(StateError, match="was deployed from /home/bob/shop") as error:
        observe(site_of(root="/home/bob/shop"), LAYOUT, TOPOLOGY)
    assert "--adopt" in error.value.hint


def test_a_damaged_site_is_not_taken_for_a_new_one():
    with pytest.raises(StateError, match=r"site\.json"):
        observe(FakeTransport({str(LAYOUT.site_file): "{"}), LAYOUT, TOPOLOGY)


@pytest.mark.parametrize("said", ["", "not json", "[]", '{"error": "no supervisor"}'])
def test_a_supervisor_that_makes_no_sense_is_not_running(said):
    class Odd(FakeTransport):
        def _read_supervisor(self, program, dir):  # noqa: A002
            return {"status": 0, "stdout": said, "stderr": ""}

    assert observe(Odd(), LAYOUT).supervisor == {}


def test_what_was_observed_is_told_of_the_live_release():
    live = shop_live(shop_release(1), shop_release(2, "b2"))
    assert (live.number, live.serving, live.address) == (2, "v2-aaaa", "127.0.0.1:8000")
    assert (shop_live().number, shop_live().serving, shop_live().address) == (0, "", "")


def window_deploy():
    live = shop_live(shop_release(1))
    operation = Operation("Rename field", "break", "the live release asks for the old name")
    renamed = tuple(Pending("books", name, (operation,), "break", "window") for name in ("0002_rename", "0003_again"))
    return live, make_plan(shop_desired(live, build=shop_build("b2")), live, (Judgement(pending=renamed),))


@pytest.mark.parametrize(
    ("failing", "page"), [("migrate books.0002_rename", False), ("migrate books.0003_again", True), ("answers GET /", True)]
)
def test_the_maintenance_page_stays_once_the_live_release_does_not_fit_the_tables(failing, page):
    live, plan = window_deploy()
    number = next(i for i, s in enumerate(plan.switch, 1) if failing in s.what)
    here = host(fail_at=number)
    with pytest.raises(InterruptedDeployError) as error:
        apply(plan, here, live, "t1", lambda _event: None)

    assert here.disk.exists(str(LAYOUT.maintenance)) is page
    assert ("the maintenance page stays" in error.value.hint) is page


def test_a_page_that_stays_goes_with_the_next_release_and_not_before():
    live = shop_live(shop_release(1))
    held = replace(live, maintenance=True, page_left=True, page_holds=True)
    unchanged = make_plan(shop_desired(held), held)
    mended = make_plan(shop_desired(held, build=shop_build("b3")), held)

    assert not any("maintenance" in s.what for s in unchanged.steps)
    assert "maintenance page off" in [s.what for s in mended.switch]


def test_a_deploy_that_fails_behind_a_page_that_stays_says_so():
    live = replace(shop_live(shop_release(1)), maintenance=True, page_left=True, page_holds=True)
    plan = make_plan(shop_desired(live, build=shop_build("b3")), live)
    number = next(i for i, s in enumerate(plan.switch, 1) if "answers GET /" in s.what)
    with pytest.raises(InterruptedDeployError) as error:
        apply(plan, host(fail_at=number), live, "t1", lambda _event: None)
    assert "the maintenance page stays" in error.value.hint
