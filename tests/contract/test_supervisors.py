"""What every supervisor must keep, whichever it is."""

from __future__ import annotations

import json

import pytest

from nuages.components.registry import SUPERVISORS, supervisor
from nuages.testing import LAYOUT, shop_build, shop_desired, shop_live, shop_placement, shop_topology


ALL = pytest.mark.parametrize("name", sorted(SUPERVISORS))
WORKER = {"name": "worker", "kind": "worker", "command": "celery -A shop worker", "source": "Procfile", "note": ""}
BEAT = {"name": "beat", "kind": "scheduler", "command": "celery -A shop beat", "source": "Procfile", "note": ""}
RELEASE = {"name": "release", "kind": "release", "command": "./seed.sh", "source": "Procfile", "note": ""}
VERBS = ("status", "start", "prove", "switch", "drain-wait", "discard", "stop", "down", "upgrade")


def background(name, **topology):
    desired = shop_desired(shop_live(), build=shop_build(processes=[WORKER, BEAT, RELEASE]), topology=shop_topology(**topology))
    return {p.name: p for p in supervisor(name).processes(desired.placement)}


@ALL
def test_workers_and_schedulers_run_and_release_commands_do_not(name):
    assert sorted(background(name)) == ["beat", "worker"]


@ALL
def test_workers_are_scaled_and_a_scheduler_never_runs_twice(name):
    found = background(name, scale={"worker": 3, "beat": 2})

    assert found["worker"].instances == 3
    assert found["beat"].instances == 1


@ALL
def test_a_simple_command_gets_its_signals_itself(name):
    assert background(name)["worker"].argv[-1].startswith("exec celery")


@ALL
def test_a_process_scaled_to_none_is_not_in_the_generation(name):
    desired = shop_desired(shop_live(), build=shop_build(processes=[WORKER]), topology=shop_topology(scale={"worker": 0}))

    assert [p["name"] for p in desired.spec["processes"]] == ["web"]


@ALL
def test_a_generation_names_its_release_and_is_plain_json(name):
    desired = shop_desired(shop_live())
    spec = json.loads(json.dumps(desired.spec))

    assert (spec["generation"], spec["number"], spec["build"]) == (desired.generation, desired.number, desired.placement.build.id)


@ALL
def test_every_verb_is_a_command_with_a_limit_and_without_a_secret(name):
    for verb in VERBS:
        command = supervisor(name).ask(LAYOUT, shop_live().machine, verb)

        assert command.timeout > 0
        assert verb in command.argv
        assert not command.env


@ALL
def test_what_it_wants_of_a_server_names_no_release_and_no_secret(name):
    placement = shop_placement(env={"KEY": "hush"}, number=7)
    wanted = repr([file.content for description in supervisor(name).describe(placement) for file in description.files])

    assert "hush" not in wanted
    assert "v7" not in wanted
    assert placement.build.id not in wanted.split()
