"""The keeper's promises, kept by real processes on a real socket."""

import os
import signal
import sys
import time

import pytest
from kept_site import APP, KeptSite, RefusedError, eventually


pytestmark = pytest.mark.local


@pytest.fixture
def site(tmp_path):
    site = KeptSite(tmp_path / ("a" * 90))  # longer than a unix socket's path may be
    site.ensure()
    yield site
    site.close()


def web_of(site, generation):
    return site.ctl("status")["generations"][generation]["processes"][0]


def process(name, code, **more):
    return {"name": name, "argv": [sys.executable, "-c", code], **more}


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_deploy_goes_live_and_the_old_generation_is_gone_after_the_drain(site):
    site.deploy("v1")
    site.deploy("v2")
    site.ctl("drain-wait")
    status = site.ctl("status")
    assert site.get() == "v2 0"
    assert (status["live"], list(status["generations"])) == ("v2", ["v2"])


def test_ensure_twice_changes_nothing(site):
    before = site.ctl("status")
    again = site.ctl("ensure", "--listen", site.address)
    assert (again["started"], again["listen"]) == (False, before["listen"])
    assert site.ctl("status")["keeper"] == before["keeper"]


@pytest.mark.parametrize("halves", [["supervisor"], ["keeper"], ["supervisor", "keeper"], ["keeper", "supervisor"]])
def test_a_killed_half_is_replaced_and_the_running_processes_are_adopted(site, halves):
    site.deploy("v1")
    before = web_of(site, "v1")
    for half in halves:
        killed = site.kill(half)
        assert site.get() == "v1 0"
        eventually(lambda half=half, killed=killed: site.ctl("status")[half] != killed)
    time.sleep(0.5)
    after = web_of(site, "v1")
    assert (after["pid"], after["restarts"]) == (before["pid"], 0)
    site.deploy("v2")
    site.ctl("drain-wait")
    assert site.get() == "v2 0"


def test_both_halves_killed_at_once_leave_the_site_serving_until_ensure_brings_it_back(site):
    site.deploy("v1")
    status = site.ctl("status")
    os.kill(status["keeper"], signal.SIGSTOP)
    os.kill(status["supervisor"], signal.SIGKILL)
    os.kill(status["keeper"], signal.SIGKILL)
    assert site.get() == "v1 0"
    address = site.address
    assert site.ensure(address)["started"]
    eventually(lambda: web_of(site, "v1")["state"] == "running")
    assert site.get() == "v1 0"


def test_a_killed_gunicorn_comes_back_with_the_same_generation(site):
    site.deploy("v1")
    before = web_of(site, "v1")["pid"]
    os.kill(before, signal.SIGKILL)
    after = eventually(lambda: (web := web_of(site, "v1"))["pid"] not in (before, None) and web)
    assert after["restarts"] == 1
    assert site.get() == "v1 0"


def test_what_lives_is_started_again_after_everything_was_lost_as_in_a_reboot(site):
    site.deploy("v1")
    status = site.ctl("status")
    for pid in (status["keeper"], status["supervisor"]):
        os.kill(pid, signal.SIGSTOP)
    os.killpg(web_of_stopped(site), signal.SIGKILL)
    for pid in (status["keeper"], status["supervisor"]):
        os.kill(pid, signal.SIGKILL)
    site.ensure(site.address)
    assert site.get() == "v1 0"


def web_of_stopped(site):
    import json

    kept = json.loads((site.root / "run" / "state.json").read_text())
    return kept["generations"]["v1"]["processes"]["web.0"]["group"]


BROKEN = {
    "import nosuchthing": ("missing-dependency", "nosuchthing"),
    "x = (": ("import", "shop_entry.py:1"),
    "def application(e, s):\n    raise ValueError('no beds')\n": ("exception", "shop_entry.py:2 in application"),
    "def application(e, s):\n    s('500 Oops', [])\n    return []\n": ("server-error", "answered 500"),
    "def application(e, s):\n    s('302 Go', [('Location', '/')])\n    return []\n": ("redirect-loop", "without end"),
    "import os\nos._exit(3)\n": ("exited", "exited with status 3"),
    "import os\nos.kill(os.getpid(), 9)\n": ("memory", "memory"),
}


@pytest.mark.parametrize("code", BROKEN, ids=[kind for kind, _said in BROKEN.values()])
def test_a_broken_release_is_refused_with_its_cause_and_the_live_one_serves_on(site, code):
    kind, said = BROKEN[code]
    site.deploy("v1")
    with pytest.raises(RefusedError) as refused:
        site.deploy("v2", code)
    error, detail, _hint = refused.value.args
    assert error.startswith(kind + ": ")
    assert said in error + detail
    assert len(detail.splitlines()) <= 5
    site.ctl("discard", "v2")
    assert site.get() == "v1 0"
    assert list(site.ctl("status")["generations"]) == ["v1"]


def test_nobody_is_answered_by_a_release_before_its_switch(site):
    site.deploy("v1")
    site.write_generation("v2", site.write_release("v2"))
    site.ctl("start", "v2")
    site.ctl("prove", "v2")
    assert {site.get() for _ in range(20)} == {"v1 0"}
    site.ctl("switch", "v2")
    site.ctl("drain-wait")
    assert {site.get() for _ in range(20)} == {"v2 0"}


def test_schedulers_of_the_old_generation_end_before_the_new_ones_start(site):
    code = """
import os, signal, sys, time
def end(*_):
    time.sleep(1); print(os.environ["NUAGES_GENERATION"], "ends", flush=True); sys.exit()
signal.signal(signal.SIGTERM, end)
print(os.environ["NUAGES_GENERATION"], "starts", flush=True)
while True: time.sleep(1)
"""
    for name in ("v1", "v2"):
        site.deploy(name, processes=[process("beat", code, kind="scheduler")])
        eventually(lambda name=name: f"{name} starts" in (site.root / "logs" / "beat.log").read_text())
    assert (site.root / "logs" / "beat.log").read_text().splitlines() == ["v1 starts", "v1 ends", "v2 starts"]


def test_a_worker_that_ignores_its_end_is_killed_with_everything_it_started(site):
    code = (
        "import signal, subprocess, sys, time; signal.signal(15, signal.SIG_IGN);"
        "child = subprocess.Popen([sys.executable, '-c', 'import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(99)']);"
        "print(child.pid, flush=True); time.sleep(99)"
    )
    site.deploy("v1", processes=[process("stubborn", code, drain=1)])
    log = site.root / "logs" / "stubborn.log"
    child = int(eventually(lambda: log.exists() and log.read_text()))
    site.ctl("stop")
    eventually(lambda: not alive(child))


def test_a_crashing_worker_is_started_again_with_growing_pauses(site):
    site.deploy("v1", processes=[process("crash", "print('up', flush=True); raise SystemExit(1)")])
    time.sleep(4)
    starts = (site.root / "logs" / "crash.log").read_text().count("up")
    assert 2 <= starts <= 6


def test_an_upgrade_keeps_the_socket_and_the_processes(site):
    site.deploy("v1")
    before = site.ctl("status")
    site.install("two")
    site.ctl("upgrade")
    after = site.ctl("status")
    assert after["home"] == after["keeper_home"] == str(site.home)
    assert [after[half] for half in ("keeper", "supervisor")] == [before[half] for half in ("keeper", "supervisor")]
    assert web_of(site, "v1")["pid"] == before["generations"]["v1"]["processes"][0]["pid"]
    site.deploy("v2")


def test_an_upgrade_to_broken_files_leaves_the_old_ones_at_work(site):
    site.deploy("v1")
    old = site.home
    site.install("two")
    (site.home / "supervisor.py").write_text("broken (")
    with pytest.raises(RefusedError):
        site.ctl("upgrade")
    assert site.ctl("status")["home"] == str(old)
    assert site.get() == "v1 0"


def test_another_address_replaces_the_socket_for_the_next_generation(site):
    site.deploy("v1")
    first = site.address
    site.address = site.ctl("ensure", "--listen", "127.0.0.1:" + str(free_port()))["listen"][0]
    site.deploy("v2")
    assert site.address != first
    assert site.get() == "v2 0"


def free_port():
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_down_closes_the_socket_and_leaves_no_process(site):
    site.deploy("v1")
    status = site.ctl("status")
    pids = [status["keeper"], status["supervisor"], web_of(site, "v1")["pid"]]
    site.ctl("down")
    eventually(lambda: not any(alive(pid) for pid in pids))
    assert not (site.root / "run" / "control.sock").exists()
    with pytest.raises(RefusedError, match="not running"):
        site.ctl("status")


def test_terminating_the_keeper_stops_the_site_but_remembers_what_was_live(site):
    site.deploy("v1")
    keeper = site.kill("keeper", signal.SIGTERM)
    eventually(lambda: not alive(keeper))
    site.ensure(site.address)
    assert site.get() == "v1 0"


def test_no_secret_of_the_environment_is_in_a_process_list_or_the_state(site):
    release = site.write_release("v1", APP)
    site.write_generation("v1", release, env={"NUAGES_SECRET_KEY": "tops3cret"})
    site.bring_live("v1")
    assert "tops3cret" not in (site.root / "run" / "state.json").read_text()
    for name in filter(str.isdigit, os.listdir("/proc") if os.path.isdir("/proc") else []):
        try:
            with open(f"/proc/{name}/cmdline", "rb") as file:
                assert b"tops3cret" not in file.read()
        except (FileNotFoundError, ProcessLookupError):
            continue
