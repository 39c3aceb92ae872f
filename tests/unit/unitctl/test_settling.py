"""From one generation to the next: who is told to start and to stop, and in which order."""

import json
import os
from pathlib import Path

import pytest
from fake_systemctl import FakeSystemctl
from shipped_unitctl import ctl, state

from nuages.testing import LAYOUT


WEB = {"name": "web", "kind": "web", "argv": ["serve"], "env": {}, "cwd": "/", "log": "/dev/null", "workers": 2}
WORKER = {**WEB, "name": "worker", "kind": "worker", "instances": 2}
BEAT = {**WEB, "name": "beat", "kind": "scheduler", "drain": 0.2}
JOB = {**WEB, "name": "nightly", "kind": "cron"}
ALL = ("shop-web@{}.service", "shop-worker@{}.service", "shop-worker@{}.1.service", "shop-beat@{}.service")


@pytest.fixture
def systemd(tmp_path, monkeypatch):
    return FakeSystemctl(tmp_path, monkeypatch)


@pytest.fixture
def client(tmp_path, systemd):
    client = ctl.Client(str(tmp_path / LAYOUT.dir.name), 1)
    client.site.runtime = str(tmp_path / "runtime")
    client.ensure("127.0.0.1:8000")
    return client


def write(client, name, state_="proved", processes=(WEB, WORKER, BEAT), cron=(), **more):
    folder = client.site.generation_dir(name)
    os.makedirs(folder)
    spec = {"number": 1, "build": "b1", "account": "root", "processes": list(processes), "cron": list(cron), **more}
    with open(os.path.join(folder, "spec.json"), "w", encoding="utf-8") as file:
        json.dump(spec, file)
    with client.site.changing() as kept:
        kept["generations"][name] = {"state": state_, "since": 0}


def live(client, systemd, name, **more):
    """A generation that has the traffic, whole."""
    write(client, name, "live", **more)
    client.site.go_live(name)
    systemd.set(units={unit.format(name): "active" for unit in ALL}, said=[])


def names(unit):
    return [text.format(unit) for text in ALL]


def test_the_first_generation_starts_its_workers_once_it_has_the_traffic(client, systemd):
    write(client, "v1-aa")
    client.switch("v1-aa")
    client.settle()

    assert systemd.running == sorted([*names("v1-aa"), "nuages-site-shop.service"])
    assert client.status()["live"] == "v1-aa"


def test_a_scheduler_starts_when_its_predecessor_is_gone_and_the_rest_at_once(client, systemd):
    live(client, systemd, "v1-aa")
    write(client, "v2-bb")
    client.switch("v2-bb")
    client.settle()

    assert systemd.said.index("stop shop-beat@v1-aa.service") < systemd.said.index("start shop-beat@v2-bb.service")
    assert [unit for unit in systemd.running if "v1-aa" in unit] == []
    assert [unit for unit in systemd.running if "v2-bb" in unit] == sorted(names("v2-bb"))
    assert list(client.status()["generations"]) == ["v2-bb"]


def test_no_scheduler_starts_beside_one_that_does_not_end(client, systemd):
    live(client, systemd, "v1-aa")
    write(client, "v2-bb")
    systemd.set(stubborn=["shop-beat@v1-aa.service"])
    client.switch("v2-bb")

    with pytest.raises(state.RefusedError):
        client.settle()

    assert not any("start shop-beat" in said for said in systemd.said)
    assert client.status()["live"] == "v2-bb"


def test_settling_again_changes_nothing(client, systemd):
    live(client, systemd, "v1-aa")
    client.settle()

    assert [unit for unit in systemd.running if unit.startswith("shop-")] == sorted(names("v1-aa"))
    assert not any(said.startswith("stop") for said in systemd.said)


def test_a_generation_that_a_deploy_is_still_proving_is_left_alone(client, systemd):
    live(client, systemd, "v1-aa")
    write(client, "v2-bb", "starting")
    systemd.set(units={**dict.fromkeys(names("v1-aa"), "active"), "shop-web@v2-bb.service": "active"})
    client.settle()

    assert "shop-web@v2-bb.service" in systemd.running
    assert client.status()["generations"]["v2-bb"]["state"] == "starting"


def test_after_a_reboot_only_what_the_link_says_comes_up(client, systemd):
    live(client, systemd, "v2-bb")
    write(client, "v1-aa", "draining")
    write(client, "v3-cc", "proved")
    systemd.set(units={}, said=[])
    client.settle()

    assert [unit for unit in systemd.running if unit.startswith("shop-")] == sorted(names("v2-bb"))


def test_a_site_that_was_taken_down_stays_down(client, systemd):
    live(client, systemd, "v1-aa")
    client.down()
    client.settle()

    assert systemd.running == []
    assert client.status()["supervisor"] == 0
    assert client.site.live() is None


def test_jobs_of_the_clock_follow_the_live_release_and_go_when_it_has_none(client, systemd):
    live(client, systemd, "v1-aa", cron=(JOB,))
    client.settle()
    script = os.path.join(client.site.run_dir, "cron", "nightly")
    assert "shop-cron-nightly.timer" in systemd.running
    assert "nightly of v1-aa" in Path(script).read_text(encoding="utf-8")

    write(client, "v2-bb")
    client.switch("v2-bb")
    client.settle()

    assert "shop-cron-nightly.timer" not in systemd.running


def test_what_tells_of_a_failed_unit_is_of_the_live_release(client, systemd):
    live(client, systemd, "v1-aa", failed={**WEB, "name": "tell", "kind": "failed"})
    client.settle()
    folder = Path(client.site.run_dir, "failed")
    assert "what tells of a failed unit" in (folder / "tell").read_text(encoding="utf-8")
    assert 'NUAGES_GENERATION="v1-aa"' in (folder / "tell.env").read_text(encoding="utf-8")
    assert (folder / "tell.env").stat().st_mode & 0o777 == 0o600


def test_a_switch_that_holds_moves_the_traffic_and_nothing_else(client, systemd):
    live(client, systemd, "v1-aa")
    client.settle()
    write(client, "v2-bb")
    before = systemd.running

    client.switch("v2-bb", hold=True)

    assert client.site.live() == "v2-bb"
    assert systemd.running == before, "what was live runs on whole"
    client.switch("v1-aa")
    assert client.site.live() == "v1-aa"
    assert client.site.load()["generations"]["v2-bb"]["state"] == "proved"


def test_a_switch_that_held_is_finished_by_being_said_again(client, systemd):
    live(client, systemd, "v1-aa")
    client.settle()
    write(client, "v2-bb")
    client.switch("v2-bb", hold=True)

    client.switch("v2-bb")
    client.settle()

    assert not any("v1-aa" in unit for unit in systemd.running)


def test_a_generation_that_was_not_proved_gets_no_traffic(client, systemd):
    write(client, "v1-aa", "failed")

    with pytest.raises(state.RefusedError):
        client.switch("v1-aa")


def test_the_live_generation_is_not_discarded(client, systemd):
    live(client, systemd, "v1-aa")

    with pytest.raises(state.RefusedError):
        client.discard("v1-aa")


def test_drain_wait_goes_on_with_a_switch_that_was_cut_short(client, systemd):
    live(client, systemd, "v1-aa")
    write(client, "v2-bb")
    client.site.go_live("v2-bb")  # and then the power failed, or somebody ended us

    with pytest.raises(state.RefusedError, match="took longer"):
        client.drain_wait()

    assert "start nuages-site-shop.service" in systemd.said


def test_a_status_has_what_the_embedded_supervisor_tells(client, systemd):
    live(client, systemd, "v1-aa")
    systemd.set(more={"shop-worker@v1-aa.1.service": {"NRestarts": "3"}})
    status = client.status()

    assert (status["supervisor"], status["listen"], status["live"]) == (1, ["127.0.0.1:8000"], "v1-aa")
    processes = {process["name"]: process for process in status["generations"]["v1-aa"]["processes"]}
    assert sorted(processes) == ["beat", "web", "worker", "worker.1"]
    assert processes["worker.1"]["restarts"] == 3
    assert {"kind", "pid", "state", "started", "rss_kb", "workers", "ended"} <= set(processes["web"])


@pytest.mark.parametrize(
    ("active", "word"),
    [("active", "running"), ("deactivating", "stopping"), ("activating/auto-restart", "backoff"), ("failed", "ended")],
)
def test_states_of_units_have_the_words_of_the_house(client, systemd, active, word):
    live(client, systemd, "v1-aa")
    systemd.set(units={"shop-web@v1-aa.service": active})

    assert client.status()["generations"]["v1-aa"]["processes"][0]["state"] == word


def test_a_start_without_its_unit_is_refused_before_anything_is_written(client, systemd):
    write(client, "v1-aa")
    with client.site.changing() as kept:
        kept["generations"].clear()
    systemd.set(missing=["shop-beat"])

    with pytest.raises(state.RefusedError, match="shop-beat"):
        client.start("v1-aa")
    assert client.site.load()["generations"] == {}


def test_a_generation_that_was_brought_and_never_started_is_told_and_goes(client, systemd):
    write(client, "v1-aa")
    with client.site.changing() as kept:
        kept["generations"].clear()

    assert client.status()["generations"]["v1-aa"]["state"] == "starting"
    client.discard("v1-aa")
    assert client.status()["generations"] == {}
