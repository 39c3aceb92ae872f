"""Plans: every step is there, says why, can be taken back, and shows no secret. Each plan's text is a golden file."""

import json
from dataclasses import replace

import pytest

from nuages.components.supervisor.embedded import keeper_version
from nuages.engine.model import Step
from nuages.engine.plan import make_plan, on_host
from nuages.engine.rollout import roll_out
from nuages.migrations.model import Judgement, Operation, Pending
from nuages.testing import (
    LAYOUT,
    shop_build,
    shop_config,
    shop_desired,
    shop_live,
    shop_policy,
    shop_release,
    shop_supervisor,
    shop_topology,
)


WORKER = {"name": "worker", "kind": "worker", "command": "celery -A shop worker", "source": "Procfile"}
BEAT = {"name": "beat", "kind": "scheduler", "command": "celery -A shop beat", "source": "Procfile"}
COMMAND = {"name": "release", "kind": "release", "command": "python manage.py migrate && ./notify", "source": "Procfile"}
LIVE = shop_live(shop_release(1))
OLD_BUILD_LIVE = shop_live(shop_release(1, "b0"))


def pending(name, phase, verdict="safe"):
    return Pending("shop", name, (Operation(f"operation of {name}", verdict, "why"),), verdict, phase)


def judged(*migrations, **values):
    return (Judgement(pending=migrations, **values),)


def served(generation="v1-aaaa", **generations):
    return shop_supervisor(generation, **generations)


CASES = {
    "first-deploy": lambda: (shop_desired(shop_live()), shop_live(), judged(everything=True)),
    "first-deploy-with-processes-and-static-files": lambda: (
        shop_desired(shop_live(), shop_build(processes=[WORKER, BEAT, COMMAND], static_files=128)),
        shop_live(),
        judged(everything=True),
    ),
    "no-change": lambda: (shop_desired(LIVE), LIVE, ()),
    "code-change": lambda: (shop_desired(OLD_BUILD_LIVE, shop_build(static_files=3, commit="c0ffee11aa")), OLD_BUILD_LIVE, ()),
    "config-change": lambda: (
        shop_desired(LIVE, config=shop_config(version=2, env={"A": "secret-value"}, why="set A")),
        LIVE,
        (),
    ),
    "topology-change": lambda: (shop_desired(LIVE, policy=shop_policy(domains=["shop.example"])), LIVE, ()),
    "rollback": lambda: (
        shop_desired((live := shop_live(shop_release(1), shop_release(2, "b2"))), why="rollback to v1", back_to=1),
        live,
        (),
    ),
    "not-running": lambda: (shop_desired(LIVE), replace(LIVE, supervisor={}), ()),
    "supervisor-running-without-a-live-generation": lambda: (
        shop_desired(LIVE),
        replace(LIVE, supervisor=served("")),
        (),
    ),
    "listens-elsewhere": lambda: (
        shop_desired(LIVE, topology=shop_topology(port=9000), policy=shop_policy(port=9000)),
        LIVE,
        (),
    ),
    "left-by-an-interrupted-deploy": lambda: (
        shop_desired(live := interrupted()),
        live,
        (),
    ),
    "migrations-before-and-after": lambda: (
        shop_desired(OLD_BUILD_LIVE),
        OLD_BUILD_LIVE,
        judged(pending("0002_isbn", "before"), pending("0003_drop_title", "after", "destroy"), snapshot=True),
    ),
    "migrations-behind-a-maintenance-page": lambda: (
        shop_desired(OLD_BUILD_LIVE),
        OLD_BUILD_LIVE,
        judged(pending("0002_rename", "window", "break")),
    ),
    "migrations-left-by-an-interrupted-deploy": lambda: (
        shop_desired(live := replace(LIVE, unfinished={"number": 1, "alias": "default", "after": ["shop.0003_drop"]})),
        live,
        (),
    ),
    "old-releases-go": lambda: (
        shop_desired((live := many_releases(8)), shop_build("b9"), topology=shop_topology(keep=3)),
        live,
        (),
    ),
    "supervisor-upgrade": lambda: (
        shop_desired(live := replace(LIVE, supervisor={**LIVE.supervisor, "home": "/srv/shop/keeper/older"})),
        live,
        (),
    ),
}


def interrupted():
    live = shop_live(shop_release(1), supervisor=served("v1-aaaa", v2_cccc="starting", v0_dddd="draining"))
    return replace(live, numbered={**live.numbered, "v2": shop_release(2, "b2")})


def many_releases(count):
    return shop_live(*(shop_release(n, f"b{n}", venv=f"venv{n // 4}") for n in range(1, count + 1)))


def case(name):
    desired, live, judgements = CASES[name]()
    return make_plan(desired, live, judgements)


def text_of(plan):
    lines = [f"{step}{f'  ({step.why})' if step.why else ''}" for step in plan.switch]
    lines += ["-- settle --"] * bool(plan.settle) + [f"{step}{f'  ({step.why})' if step.why else ''}" for step in plan.settle]
    return ("\n".join(lines) or f"nothing to do: {plan.reason}").replace(keeper_version(), "<version>") + "\n"


@pytest.mark.parametrize("name", CASES)
def test_a_plan_reads_as_its_golden(name, golden):
    golden(f"plans/{name}.txt", text_of(case(name)))


@pytest.mark.parametrize("name", CASES)
def test_every_step_says_what_and_has_something_to_do(name):
    for step in case(name).steps:
        assert step.symbol in "+~-!?"
        assert step.what
        assert step.ops
        assert str(step) == f"{step.symbol} {step.host}  {step.what}"
        assert "\n" not in str(step)


@pytest.mark.parametrize("name", CASES)
def test_no_secret_is_in_what_is_shown_or_journalled(name):
    config = shop_config(
        version=7, env={"PASSWORD": "hunter2", "DATABASE_URL": "postgres://u:hunter2@db/x"}, files={"f": "hunter2"}
    )
    desired, live, judgements = CASES[name]()
    desired = shop_desired(live, config=replace(config, secret_key="hunter2"), build=desired.placement.build)
    plan = make_plan(desired, live, judgements)
    assert plan.steps
    shown = [f"{step} {step.why}" for step in plan.steps] + [json.dumps(step.as_dict()) for step in plan.steps]
    shown += [repr(plan), repr(desired), repr(live)]
    assert "hunter2" not in "\n".join([*shown, plan.reason, json.dumps(dict(plan.facts))])


@pytest.mark.parametrize("name", CASES)
def test_secrets_are_in_no_argument_and_in_0600_files_alone(name):
    config = shop_config(version=7, env={"PASSWORD": "hunter2"}, files={"keys.json": "hunter2"})
    desired, live, judgements = CASES[name]()
    desired = shop_desired(live, config=replace(config, secret_key="hunter2"), build=desired.placement.build)
    for op in (op for step in make_plan(desired, live, judgements).steps for op in (*step.ops, *step.undo)):
        assert "hunter2" not in " ".join(op.get("argv", ()))
        assert "hunter2" not in op.get("content", "") or op["mode"] == 0o600


@pytest.mark.parametrize("name", CASES)
def test_what_is_made_before_the_switch_can_be_taken_back(name):
    """Folders of the site and the supervisor's programs do no harm when they stay; releases, generations and links would."""
    for step in (s for s in case(name).switch if s.symbol != "-"):
        if (
            step.what.startswith(("release v", "start v", "config v", "maintenance page on", "note:"))
            or "is the live" in step.what
        ):
            assert step.undo, str(step)


@pytest.mark.parametrize("name", CASES)
def test_nothing_runs_without_a_time_limit(name):
    assert all(op["timeout"] for step in case(name).steps for op in step.ops if op["op"] == "run")


def test_nothing_to_do_says_why():
    plan = case("no-change")
    assert plan.empty
    assert plan.reason == "v1 is live and nothing changed"


def test_asked_to_restart_it_starts_a_generation_of_the_same_release():
    plan = make_plan(shop_desired(LIVE), LIVE, force=True)
    assert [s.symbol for s in plan.switch] == ["+", "?", "~"]
    assert not any("release v" in s.what for s in plan.steps)


def test_what_is_live_again_after_the_link_was_moved_comes_first_at_its_traffic():
    """Taking back the name puts the link where it was."""
    (name_live,) = (s for s in case("code-change").switch if "is the live release" in s.what)
    assert [op["target"] for op in name_live.undo] == ["numbered/v1", "releases/b0"]
    (first,) = (s for s in case("first-deploy").switch if "is the live release" in s.what)
    assert {op["op"] for op in first.undo} == {"remove"}


def test_retention_never_takes_what_is_kept():
    plan = case("old-releases-go")
    (step,) = (s for s in plan.settle if "releases, builds and environments" in s.what)
    gone = {p for op in step.ops for p in op.get("paths", ())}
    assert gone == {
        *(str(LAYOUT.numbered(n)) for n in range(1, 7)),
        *(str(LAYOUT.build(f"b{n}")) for n in range(1, 7)),
        str(LAYOUT.venvs / "venv0"),
    }


def test_a_release_is_named_live_after_its_proof_and_before_its_traffic():
    texts = [s.what for s in case("code-change").switch]
    order = [next(i for i, t in enumerate(texts) if word in t) for word in ("start v2", "answers GET", "is the live", "traffic")]
    assert order == sorted(order)


def test_migrations_that_must_wait_are_noted_before_the_switch_and_run_after_it():
    plan = case("migrations-before-and-after")
    assert any(s.what.startswith("note: shop.0003_drop_title") for s in plan.switch)
    assert any(s.what.startswith("migrate shop.0003_drop_title") for s in plan.settle)
    assert not any("0003" in s.what for s in plan.switch if s.what.startswith("migrate"))


def test_the_maintenance_page_is_put_up_before_and_taken_down_after():
    texts = [s.what for s in case("migrations-behind-a-maintenance-page").switch]
    assert texts.index("maintenance page on") < texts.index("migrate shop.0002_rename") < texts.index("maintenance page off")


def test_a_maintenance_page_that_a_person_put_up_stays():
    desired, live, judgements = CASES["migrations-behind-a-maintenance-page"]()
    plan = make_plan(desired, replace(live, maintenance=True), judgements)
    assert not any(s.what.startswith("maintenance page") for s in plan.steps)


@pytest.mark.parametrize("name", ["no-change", "code-change", "not-running"])
def test_a_maintenance_page_that_an_interrupted_deploy_left_is_taken_down_at_the_end(name):
    desired, live, judgements = CASES[name]()
    plan = make_plan(desired, replace(live, maintenance=True, page_left=True), judgements)
    assert plan.switch[-1].what == "maintenance page off"


def test_a_template_that_goes_stays_until_the_old_processes_are_gone():
    going, other = (Step("-", "web-1", path) for path in ("/etc/systemd/system/shop-beat@.service", "/etc/x.conf"))
    plan = make_plan(shop_desired(shop_live()), shop_live(), (), ready=(going, other))
    assert [step.what for step in plan.ready] == [other.what]
    assert plan.settle[-1].what == going.what


def test_over_one_host_a_plan_is_rolled_out_as_it_stands():
    plan = case("code-change")
    assert roll_out([plan], shop_topology()) == plan


def test_over_several_hosts_all_are_prepared_before_any_switches():
    plans = [on_host(case("code-change"), name) for name in ("web-1", "web-2")]
    steps = roll_out(plans, shop_topology()).switch
    started = [i for i, step in enumerate(steps) if "answers GET" in step.what]
    switched = [i for i, step in enumerate(steps) if "traffic" in step.what]
    assert len(started) == len(switched) == 2
    assert max(started) < min(switched)
