"""What the agent answers about a site, files and the lock."""

import json
import os
import subprocess
import sys
import threading
import time

import pytest
from agent_module import agent, beside

from nuages.release.layout import Layout
from nuages.testing import shop_config, shop_release, write_site


leases = beside("agent_lock")
OWNER = {"user": "ada", "host": os.uname().nodename, "pid": os.getpid(), "what": "up"}


@pytest.fixture
def lock(tmp_path):
    return str(tmp_path / "site" / "lock.json")


def ended_pid():
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    return done.pid


def test_a_host_without_the_site_answers_with_nothing(tmp_path):
    answer = agent.read_site(str(tmp_path / "nowhere"))
    assert (answer["site"], answer["live"], answer["config"], answer["numbered"], answer["builds"]) == (None, None, None, {}, [])


def test_a_site_is_read_as_it_stands(tmp_path):
    layout = write_site(
        Layout(tmp_path), tmp_path, shop_release(1), shop_release(2, "b2", 10), config=shop_config(version=10, env={"A": ""})
    )
    answer = agent.read_site(str(layout.dir))
    assert answer["live"]["number"] == 2
    assert (answer["config"]["version"], answer["config"]["env"]) == (10, {"A": ""})
    assert sorted(answer["numbered"]) == ["v1", "v2"]
    assert answer["builds"] == ["b1", "b2"]


def test_the_newest_configuration_is_the_one_with_the_highest_number(tmp_path):
    for version in (9, 10, 2):
        write_site(Layout(tmp_path), tmp_path, config=shop_config(version=version))
    assert agent.read_site(str(tmp_path))["config"]["version"] == 10


def test_half_built_releases_are_no_builds(tmp_path):
    for name in ("b1", "b2.123.partial", ".hidden"):
        (tmp_path / "releases" / name).mkdir(parents=True)
    assert agent.read_site(str(tmp_path))["builds"] == ["b1"]


def test_a_damaged_file_is_named_and_not_taken_for_absent(tmp_path):
    (tmp_path / "site.json").write_text("{")
    assert str(tmp_path / "site.json") in agent.read_site(str(tmp_path))["site"]["unreadable"]


def test_files_are_told_by_digest_mode_and_target(tmp_path):
    (tmp_path / "a").write_text("x")
    (tmp_path / "a").chmod(0o600)
    (tmp_path / "link").symlink_to("a")
    answer = agent.read_files([str(tmp_path / n) for n in ("a", "link", "none")])
    assert (answer[str(tmp_path / "a")]["mode"], len(answer[str(tmp_path / "a")]["sha256"])) == (0o600, 64)
    assert answer[str(tmp_path / "link")]["target"] == "a"
    assert answer[str(tmp_path / "none")] is None


def test_a_command_that_is_not_there_or_too_slow_is_an_answer():
    assert agent.read_command(["/no/such/program"])["status"] == 127
    assert agent.read_command(["/bin/sleep", "5"], timeout=0.1)["status"] == 124


def test_the_machine_is_described():
    host = agent.read_host()
    assert host["cores"] >= 1
    assert host["memory"] > 0
    assert os.access(host["python_path"], os.X_OK)


def test_a_free_port_can_be_listened_on():
    assert agent.read_free_port(18000 + os.getpid() % 10000)["port"] > 0


def test_the_lock_is_taken_once_and_given_back_by_its_owner_alone(lock):
    assert leases.read_lock(lock, "t1", OWNER, 60) == {"taken": True}
    assert leases.read_lock(lock, "t2", OWNER, 60)["holder"]["owner"]["user"] == "ada"
    leases.read_unlock(lock, "t2")
    assert os.path.exists(lock)
    leases.read_unlock(lock, "t1")
    assert leases.read_lock(lock, "t3", OWNER, 60) == {"taken": True}


def test_an_expired_lock_is_taken_over(lock):
    leases.read_lock(lock, "t1", {**OWNER, "host": "elsewhere"}, -1)
    assert leases.read_lock(lock, "t2", OWNER, 60) == {"taken": True}
    assert agent.read_json(lock)["token"] == "t2"


def test_a_lock_whose_process_has_ended_is_taken_over(lock):
    leases.read_lock(lock, "t1", {**OWNER, "pid": ended_pid()}, 600)
    assert leases.read_lock(lock, "t2", OWNER, 60) == {"taken": True}


def test_a_process_number_of_another_machine_says_nothing(lock):
    leases.read_lock(lock, "t1", {**OWNER, "host": "elsewhere", "pid": ended_pid()}, 600)
    assert leases.read_lock(lock, "t2", OWNER, 60)["holder"]["token"] == "t1"


def test_a_damaged_lock_is_taken_over(lock):
    os.makedirs(os.path.dirname(lock))
    with open(lock, "w") as file:
        file.write("{")
    assert leases.read_lock(lock, "t1", OWNER, 60) == {"taken": True}


def test_unlocking_what_is_not_locked_is_no_error(lock):
    assert leases.read_unlock(lock, "t1") == {}


@pytest.mark.parametrize("found", ["nothing", "a stale lock"])
def test_of_many_who_ask_at_once_one_gets_the_lock(lock, found):
    if found == "a stale lock":
        leases.read_lock(lock, "old", {**OWNER, "pid": ended_pid()}, 600)
    answers, start = [], threading.Barrier(12)

    def ask(number):
        start.wait()
        answers.append(leases.read_lock(lock, f"t{number}", OWNER, 60))

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(1 for a in answers if a.get("taken")) == 1


def test_a_lock_is_whole_from_the_moment_it_is_there(lock):
    """A holder that has not been written yet would look as if it had expired."""
    stop, seen = threading.Event(), []

    def look():
        while not stop.is_set():
            seen.append(agent.read_json(lock))

    thread = threading.Thread(target=look)
    thread.start()
    for number in range(100):
        leases.read_lock(lock, f"t{number}", OWNER, 60)
        leases.read_unlock(lock, f"t{number}")
    stop.set()
    thread.join()
    assert all(holder is None or holder.get("token") for holder in seen)


def test_nobody_gets_the_lock_while_steps_of_an_ended_deploy_are_still_carried_out(lock, tmp_path):
    """kill -9 of `nuages up` does not reach the agent, which goes on with the step under way."""
    site = os.path.dirname(lock)
    leases.read_lock(lock, "t1", {**OWNER, "pid": ended_pid()}, 600)
    step = {"text": "~ slow", "ops": [{"op": "run", "argv": ["/bin/sh", "-c", f"touch {tmp_path}/begun; sleep 1"]}]}
    request = json.dumps({"write": [step], "journal": os.path.join(site, "journal.jsonl")})
    writing = subprocess.Popen([sys.executable, agent.__file__], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    writing.stdin.write(request)
    writing.stdin.close()
    while not (tmp_path / "begun").exists():
        time.sleep(0.02)
    assert leases.read_lock(lock, "t2", OWNER, 60)["holder"]["token"] == "t1"
    writing.wait()
    assert leases.read_lock(lock, "t2", OWNER, 60) == {"taken": True}
