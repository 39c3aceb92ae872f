"""What a host should be: numbers, reasons, environments. Pure."""

import json
from dataclasses import replace

from nuages.engine.compose import policy_digest
from nuages.secret import Secret
from nuages.testing import (
    KEY,
    LAYOUT,
    shop_build,
    shop_config,
    shop_desired,
    shop_live,
    shop_policy,
    shop_release,
    shop_topology,
)


LIVE = shop_live(shop_release(3))
PROCESSES = [
    {"name": "worker", "kind": "worker", "command": "celery -A shop worker", "source": "Procfile"},
    {"name": "beat", "kind": "scheduler", "command": "celery -A shop beat", "source": "Procfile"},
    {"name": "release", "kind": "release", "command": "./notify", "source": "Procfile"},
]


def processes_of(desired):
    return {p["name"]: p for p in desired.spec["processes"]}


def test_the_first_release_is_v1():
    desired = shop_desired(shop_live())
    assert (desired.number, desired.new, desired.why) == (1, True, "first deploy")


def test_the_same_build_config_and_policy_is_the_same_release():
    desired = shop_desired(LIVE)
    assert (desired.number, desired.new) == (3, False)


def test_each_change_is_a_new_number_with_its_reason():
    changed = {
        "code changed": shop_desired(LIVE, shop_build("b2")),
        "code and packages changed": shop_desired(LIVE, shop_build("b2", venv="venv2")),
        "set SHELVES": shop_desired(LIVE, config=shop_config(version=2, why="set SHELVES")),
        "configuration changed": shop_desired(LIVE, config=shop_config(version=9, why="set SHELVES")),
        "topology changed": shop_desired(LIVE, policy=shop_policy(domains=["shop.example"])),
    }
    assert {desired.why: (desired.number, desired.new) for desired in changed.values()} == dict.fromkeys(changed, (4, True))


def test_a_reason_that_is_given_is_kept():
    assert shop_desired(LIVE, shop_build("b2"), why="rollback to v1", back_to=1).release["rollback_to"] == 1


def test_the_same_policy_has_one_digest_wherever_the_release_lies():
    policy = shop_policy()
    assert policy_digest({**policy, "number": 9, "build": "x", "project": "/elsewhere", "workers": 7}) == policy_digest(policy)
    assert policy_digest({**policy, "port": 9000}) != policy_digest(policy)


def test_a_generation_is_named_after_release_and_deploy():
    assert shop_desired(LIVE, token="1a2b").generation == "v3-1a2b"


def test_it_listens_where_topology_and_policy_say():
    assert shop_desired(LIVE, topology=shop_topology(bind="0.0.0.0"), policy=shop_policy(port=8123)).listen == "0.0.0.0:8123"


def test_a_process_gets_the_users_variables_and_ours():
    web = processes_of(shop_desired(LIVE, config=shop_config(env={"A": "1", "EMPTY": ""})))["web"]
    assert (web["env"]["A"], web["env"]["EMPTY"], web["env"]["NUAGES_SECRET_KEY"]) == ("1", "", KEY)
    assert web["env"]["DJANGO_SECRET_KEY"] == KEY
    assert web["env"]["NUAGES_RELEASE"] == str(LAYOUT.numbered(3))
    assert web["env"]["DJANGO_SETTINGS_MODULE"] == "shop.settings"
    assert json.loads(web["env"]["NUAGES_SECRET_KEY_FALLBACKS"]) == []


def test_web_holds_the_socket_and_proves_itself_and_others_do_neither():
    processes = processes_of(shop_desired(LIVE, shop_build(processes=PROCESSES)))
    assert {name: (p["socket"], p["proof"]) for name, p in processes.items()} == {
        "web": (True, True),
        "worker": (False, False),
        "beat": (False, False),
    }


def test_no_secret_is_in_an_argument():
    for process in processes_of(shop_desired(LIVE, shop_build(processes=PROCESSES))).values():
        assert KEY not in " ".join(process["argv"])


def test_the_configuration_scales_over_the_topology():
    topology = shop_topology(scale={"web": 3, "worker": 2})
    build = shop_build(processes=PROCESSES)
    declared = processes_of(shop_desired(LIVE, build, topology=topology))
    assert (declared["web"]["workers"], declared["worker"]["instances"]) == (3, 2)
    scaled = processes_of(shop_desired(LIVE, build, shop_config(scale={"web": 5, "worker": 0}), topology=topology))
    assert scaled["web"]["workers"] == 5
    assert "worker" not in scaled


def test_of_a_scheduler_there_is_never_more_than_one():
    desired = shop_desired(LIVE, shop_build(processes=PROCESSES), shop_config(scale={"beat": 4}))
    assert processes_of(desired)["beat"]["instances"] == 1


def test_the_policy_tells_the_runtime_how_many_there_are():
    policy = shop_desired(LIVE, topology=shop_topology(scale={"web": 3}, threads=8)).placement.policy
    assert (policy["workers"], policy["threads"], policy["number"], policy["build"]) == (3, 8, 3, "b1")


def test_composing_twice_gives_the_same():
    one, other = shop_desired(LIVE), shop_desired(LIVE)
    assert (one.spec, one.release, one.environ, one.placement) == (other.spec, other.release, other.environ, other.placement)


def test_a_secret_in_an_environment_is_written_in_the_spec_alone():
    desired = shop_desired(LIVE)
    process = replace(_web(desired), env={"PASSWORD": Secret("hunter2")})
    assert "hunter2" not in repr(process)
    assert process.as_spec()["env"] == {"PASSWORD": "hunter2"}


def _web(desired):
    from nuages.components.registry import app_server

    return app_server("gunicorn").process(desired.placement)
