"""However a lab ends, this machine is as it was."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nuages.lab import Lab, store


NUAGES = [sys.executable, "-c", "from nuages.cli import main; main()", "lab"]
OWNER = "import sys, time; from nuages.lab import Lab; Lab(sys.argv[1], owner=True).up('web-1'); print('up', flush=True); time.sleep(600)"


@pytest.fixture
def name():
    name = f"gone-{os.getpid()}"
    yield name
    Lab(name).down()


def traces(name, number):
    """Everything of a lab that this machine knows of. Its number may be another lab's by now."""
    if number in {lab.number for lab in store.labs() if lab.name != name}:
        number = "x"
    out = lambda *argv: subprocess.run(argv, capture_output=True, text=True, check=True).stdout  # noqa: E731
    links = [link for link in os.listdir("/sys/class/net") if link == f"nulab{number}" or link.startswith(f"nulab{number}.")]
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines() if f"/labs/{name}/" in line]
    tables = [line for line in out("nft", "list", "tables").splitlines() if re.search(rf" nuages_lab_{number}(_\d+)?$", line)]
    groups = [str(path) for path in Path("/sys/fs/cgroup").glob(f"**/nuages-lab/{name}")]
    processes = [line for line in out("ps", "-eo", "pid,stat,args").splitlines() if f"/labs/{name}/" in line and " Z" not in line]
    files = [
        str(p)
        for p in (Path(store.lab_path(name)), *Path("/run/systemd/nspawn/propagate").glob(f"nulab{number}-*"))
        if p.exists()
    ]
    return [*links, *mounts, *tables, *groups, *processes, *files]


def owned(name):
    """A process that owns a lab with a host, as a test session does."""
    owner = subprocess.Popen([sys.executable, "-c", OWNER, name], stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert owner.stdout.readline() == "up\n"
    owner.stdout.close()
    return owner, store.load_lab(name).number


def killed(process):
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def watchers_of(name):
    found = subprocess.run(["pgrep", "-f", f"nuages.lab.watcher {name}"], capture_output=True, text=True, check=False)
    return [int(pid) for pid in found.stdout.split()]


def until_nothing_is_left(name, number, seconds=20):
    deadline = time.monotonic() + seconds
    while traces(name, number) and time.monotonic() < deadline:
        time.sleep(0.1)
    return traces(name, number)


def test_a_lab_that_is_taken_down_leaves_nothing(name):
    Lab(name).up("web-1", "db-1", disk="100M")
    number = store.load_lab(name).number
    assert len(traces(name, number)) > 10
    Lab(name).down()
    assert traces(name, number) == []


def test_hosts_outlive_the_command_that_booted_them(name):
    subprocess.run([*NUAGES, "up", "--lab", name, "web-1"], check=True, capture_output=True)
    told = subprocess.run([*NUAGES, "status", "--json", "--lab", name], check=True, capture_output=True, text=True).stdout
    assert [row["state"] for row in json.loads(told)["hosts"]] == ["on"]


def test_the_lab_of_a_killed_session_is_taken_away(name):
    owner, number = owned(name)
    killed(owner)
    assert until_nothing_is_left(name, number) == []


def test_when_the_watcher_is_killed_too_the_next_up_takes_it_away(lab_host, name):
    owner, number = owned(name)
    os.kill(*watchers_of(name), signal.SIGKILL)
    killed(owner)
    assert traces(name, number)
    lab_host()
    assert traces(name, number) == []


def test_a_lab_with_an_owner_has_one_watcher_to_its_end(name):
    lab = Lab(name, owner=True)
    for _time in range(2):
        lab.up("web-1")
        lab.down("web-1")
    assert len(watchers_of(name)) == 1
    lab.down()
    deadline = time.monotonic() + 15
    while watchers_of(name) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert watchers_of(name) == []


@pytest.mark.parametrize("after", [0.2, 0.35, 0.5])
def test_an_up_that_is_killed_is_made_good_by_the_next(name, after):
    process = subprocess.Popen(
        [*NUAGES, "up", "--lab", name, "web-1", "web-2"], stdout=subprocess.DEVNULL, start_new_session=True
    )
    time.sleep(after)
    killed(process)
    hosts = Lab(name).up("web-1", "web-2")
    assert [host.state for host in hosts] == ["on", "on"]
    number = store.load_lab(name).number
    Lab(name).down()
    assert traces(name, number) == []


def test_two_labs_have_hosts_of_one_name(lab_host, name):
    one, two = lab_host("web-1"), Lab(name).up("web-1")[0]
    assert one.address != two.address
    one.must("touch /srv/mine")
    assert not two.run("test -e /srv/mine").ok
    Lab(name).down()
    assert one.state == "on"


def test_a_host_is_taken_away_and_the_others_stay(name):
    lab = Lab(name)
    lab.up("web-1", "web-2")
    assert lab.down("web-1") == ["web-1"]
    assert [(host.name, host.state) for host in lab.hosts] == [("web-2", "on")]
