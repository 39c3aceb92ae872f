"""Hooks are steps of the plan that this machine carries out: where they stand, what they are told, what their failure does."""

import json
from dataclasses import replace

import pytest

from nuages.components.contract import Machine
from nuages.engine.apply import apply
from nuages.engine.facts import Facts, masked
from nuages.engine.hooks import carry_out, is_hook, step_of, with_hooks
from nuages.engine.model import Plan, Seat
from nuages.engine.plan import make_plan
from nuages.errors import InterruptedDeployError, PipelineError, UnconfirmedError
from nuages.hosts.command import Result
from nuages.hosts.local import LocalTransport
from nuages.migrations.model import Judgement
from nuages.testing import (
    LAYOUT,
    FakeTransport,
    shop_build,
    shop_config,
    shop_desired,
    shop_live,
    shop_release,
    shop_topology,
)
from nuages.topology.model import Hooks, Host, Pipeline, Smoke


FIRST = (Judgement(pending=(), everything=True),)
HOOKS = Hooks(before_build=("./build",), before_migrate=("./before",), after_switch=("./purge",), on_failure=("./page",))
FACTS = Facts(
    "shop", "production", "deploy", "deploy", ("web-1", "web-2"), 8, 7, "c0ffee", "beef", "main", True, "ada", "sale", "https://shop.example/"
)  # fmt: skip


def planned(judgements=FIRST, **declared):
    topology = shop_topology(hooks=HOOKS, **declared)
    return with_hooks(make_plan(shop_desired(shop_live(), topology=topology), shop_live(), judgements), topology)


def texts(steps):
    return [step.what for step in steps]


def test_a_hook_stands_before_the_first_write_and_after_the_switch():
    plan = planned()
    assert texts(plan.ready) == ["hook before_migrate: ./before"]
    assert texts(plan.settle)[0] == "hook after_switch: ./purge"
    assert not any(is_hook(step) for step in plan.switch)


def test_without_migrations_nothing_is_called_before_them():
    assert texts(planned(judgements=()).ready) == []


def test_a_plan_that_brings_no_new_release_calls_nobody():
    plan = Plan(facts={"release": 3, "live": 3})
    assert with_hooks(plan, shop_topology(hooks=HOOKS)) is plan


def a_host(**how):
    return FakeTransport({f"{LAYOUT.dir}/x": ""}, name="localhost", **how)


def run(plan, hook, here=None):
    here = here or a_host()
    apply(plan, (Seat(here, shop_live()),), "t1", lambda _event: None, hook)
    return here


def test_a_hook_that_fails_before_the_migrations_leaves_the_host_without_a_write():
    def hook(_step):
        raise PipelineError("the hook before_migrate failed with status 1")

    here = a_host()
    with pytest.raises(PipelineError):
        run(planned(), hook, here)
    assert here.steps == []


def test_hooks_are_called_in_their_place_and_journalled_there():
    called = []
    here = run(planned(), lambda step: called.append(step.what))
    journal = [json.loads(line) for line in here.disk.read(str(LAYOUT.journal)).splitlines()]
    done = [line["step"] for line in journal if line["state"] == "done"]
    assert called == ["hook before_migrate: ./before", "hook after_switch: ./purge"]
    assert done[0].endswith("hook before_migrate: ./before")
    assert any(text.endswith("hook after_switch: ./purge") for text in done)


def test_questions_to_the_live_site_come_after_the_switch_and_before_anything_settles():
    pipeline = Pipeline(smoke_live=(Smoke("/"), Smoke("/cart", contains="empty")))
    plan = planned(pipeline=pipeline)
    (question,) = plan.confirm
    assert question.what == "the live site answers /, /cart"
    argv = question.ops[0]["argv"]
    assert json.loads(argv[argv.index("--questions") + 1])[1] == {"path": "/cart", "expect": "200", "contains": "empty"}
    here = a_host(answers={"*nuages_runtime.smoke*": Result(1, "", "")})
    with pytest.raises(UnconfirmedError) as caught:
        run(plan, lambda _step: None, here)
    assert caught.value.where == "the live site"
    assert not any("purge" in text for text in here.steps)


def test_a_failure_before_the_switch_is_no_failure_of_the_live_site():
    plan = planned(pipeline=Pipeline(smoke_live=(Smoke("/"),)))
    with pytest.raises(InterruptedDeployError):
        run(plan, lambda _step: None, a_host(fail_at=4))


def test_a_hook_is_told_the_facts_and_where_it_failed_the_error():
    told = FACTS.environ("on_failure", "the tests failed")
    assert told["NUAGES_HOSTS"] == "web-1 web-2"
    assert (told["NUAGES_NUMBER"], told["NUAGES_PREVIOUS_NUMBER"], told["NUAGES_ERROR"]) == ("8", "7", "the tests failed")
    assert "NUAGES_RELEASE" not in told, "that would lay production's settings over whatever Django runs in the hook"


def call(tmp_path, line, name="before_build", **hooks):
    events = []
    topology = replace(shop_topology(hooks=Hooks(**hooks)), root=tmp_path)
    carry_out(step_of(name, line, "localhost"), FACTS, topology, LocalTransport(), events.append)
    return events


def test_it_runs_in_the_projects_folder_and_its_output_is_told(tmp_path):
    events = call(tmp_path, "sh -c 'pwd; echo v$NUAGES_NUMBER'")
    assert [event["line"] for event in events if event["event"] == "output"] == [str(tmp_path), "v8"]
    assert [event["event"] for event in events if event["event"] != "output"] == ["begin", "done"]


@pytest.mark.parametrize(
    ("line", "why"), [("false", "status 1"), ("./not-there", "can't be run"), ("sleep 9", "took longer than 0.2 s")]
)
def test_one_that_fails_is_missing_or_hangs_says_which(tmp_path, line, why):
    with pytest.raises(PipelineError, match=why):
        call(tmp_path, line, within=0.2)


def test_a_hook_is_no_shell_line(tmp_path):
    events = call(tmp_path, "echo $HOME; touch x")
    assert [event["line"] for event in events if event["event"] == "output"] == ["$HOME; touch x"]


def test_an_error_is_told_without_the_secrets_that_it_quotes():
    config = shop_config(
        env={"STRIPE_SECRET_KEY": "sk_live_1234567", "DATABASE_URL": "postgres://shop:hunter22@db/shop", "NAME": "shop"}
    )
    said = masked("sk_live_1234567 refused; password hunter22 of shop", config)
    assert said == "*** refused; password *** of shop"


# --- on a server, what was live runs on whole until the questions are answered ---------------------------------


HOME = Smoke("/")
WEB_1, WEB_2 = Host("web-1", "192.0.2.11"), Host("web-2", "192.0.2.12")


def held(*releases, hosts=(WEB_1,), asked=(HOME,), **live):
    topology = shop_topology(hosts=hosts, supervisor="systemd", pipeline=Pipeline(smoke_live=asked))
    machine = Machine(2, 4 * 2**30, "/usr/bin/python3", "3.13.0", os="debian", os_version="13")
    before = shop_live(*releases, machine=machine, **live)
    return make_plan(shop_desired(before, build=shop_build("b2"), topology=topology), before)


def test_the_old_release_is_told_to_end_once_the_live_site_has_answered():
    plan = held(shop_release(7))
    *_, traffic, question, keeps = plan.switch
    assert "--hold" in traffic.ops[0]["argv"]
    assert "v7-aaaa" in traffic.undo[0]["argv"]
    assert question.what == "the live site answers /"
    assert "--hold" not in keeps.ops[0]["argv"]
    assert plan.confirm == ()


def test_where_nothing_was_live_there_is_nothing_to_hold():
    plan = held()
    assert not any("--hold" in op.get("argv", ()) for step in plan.switch for op in step.ops)
    assert len(plan.confirm) == 1


def test_a_maintenance_page_is_asked_nothing():
    plan = held(shop_release(7), maintenance=True)
    assert plan.confirm == ()
    assert not any("live site" in step.what for step in plan.switch)


def test_of_several_hosts_each_old_release_runs_on_until_all_have_switched():
    plan = held(shop_release(7), hosts=(WEB_1, WEB_2), asked=())
    *_, traffic, keeps = plan.switch
    assert (traffic.phase, keeps.phase) == ("switch", "keep")
    assert "--hold" in traffic.ops[0]["argv"]
    assert "--hold" not in keeps.ops[0]["argv"]
