"""systemd: what its units say for each kind of site. Each golden is put before systemd-analyze where that is installed."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from nuages.components.contract import Machine
from nuages.components.supervisor.sandbox import RELAXATIONS, STRICT, directives
from nuages.components.supervisor.systemd import Systemd, slice_of
from nuages.testing import shop_placement
from nuages.topology.model import Cron, Host
from nuages.topology.servers import RELAXATIONS as NAMES


ANALYZE = shutil.which("systemd-analyze")
WORKER = {"name": "worker", "kind": "worker", "command": "celery -A shop worker", "source": "Procfile", "note": ""}
BEAT = {"name": "beat", "kind": "scheduler", "command": "celery -A shop beat", "source": "Procfile", "note": ""}
SEED = {"name": "release", "kind": "release", "command": "./seed.sh", "source": "Procfile", "note": ""}
OWN = {"name": "web", "kind": "web", "command": "serve --port $PORT", "source": "Procfile", "note": "", "own_server": True}
NIGHTLY = Cron("clearsessions", "python manage.py clearsessions", "15 3 * * 1-5", timeout=600)
WEB_2 = Host("web-2", "192.0.2.12")
CASES = {
    "debian-13": {"processes": [WORKER, BEAT, SEED], "cron": (NIGHTLY,)},
    "debian-12": {"os_version": "12"},
    "relaxed-for-node-with-a-home": {"relax": ("node", "home"), "drain": 600, "memory": "800M"},
    "own-web-command": {"processes": [OWN]},
}


def files_of(case):
    (description,) = Systemd().describe(shop_placement(**CASES[case]))
    return {file.path: file.content for file in description.files}


@pytest.mark.parametrize("case", CASES)
def test_the_units_are_the_golden_ones(case, golden):
    for path, content in files_of(case).items():
        golden(f"units-{case}{path}", content)


@pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed")
@pytest.mark.parametrize("case", CASES)
def test_systemd_itself_knows_every_line(case, tmp_path):
    """But for the two that came with 254, which this machine's may not be."""
    for path, content in files_of(case).items():
        if path.startswith("/etc/systemd"):
            known = [line for line in content.splitlines(True) if not line.startswith(("RestartSteps", "RestartMaxDelay"))]
            (tmp_path / path.rpartition("/")[2].replace("@.", "@v1-ab12.")).write_text("".join(known))
    units = sorted(str(path) for path in tmp_path.iterdir())

    said = subprocess.run([ANALYZE, "verify", "--man=no", *units], capture_output=True, text=True, check=False, timeout=60).stderr

    assert [line for line in said.splitlines() if "tmp" in line and "not executable" not in line] == []


def test_a_deploy_of_other_code_changes_no_unit():
    first = Systemd().describe(shop_placement())
    later = Systemd().describe(
        shop_placement(number=4, env={"DEBUG": "no"}, policy={"manage_dir": "/srv/shop/releases/b2/source"})
    )

    assert first == later


def test_jobs_of_the_clock_are_on_the_first_host_alone():
    hosts = (Host("web-1", "192.0.2.11"), WEB_2)
    everywhere = {
        host.name: Systemd().describe(shop_placement(cron=(NIGHTLY,), hosts=hosts, host=host))[0].files for host in hosts
    }

    assert any("cron" in file.path for file in everywhere["web-1"])
    assert not any("cron" in file.path for file in everywhere["web-2"])


def test_a_generation_brings_what_the_jobs_need():
    spec = Systemd().spec(shop_placement(cron=(NIGHTLY,), env={"A": "1"}), "v3-ab12", ())

    (job,) = spec["cron"]
    assert job["argv"] == ["/bin/sh", "-c", "exec python manage.py clearsessions"]
    assert job["env"]["A"] == "1"


def test_a_generation_tells_under_which_units_it_was_started():
    """A change of the sandbox or of a job reaches processes with a new generation only."""
    first, later = (Systemd().spec(shop_placement(**more), "v3-ab12", ())["units"] for more in ({}, {"number": 4}))
    relaxed = Systemd().spec(shop_placement(relax=("jit",)), "v3-ab12", ())["units"]
    another_time = Systemd().spec(shop_placement(cron=(NIGHTLY,)), "v3-ab12", ())["units"]

    assert first == later
    assert len({first, relaxed, another_time}) == 3


def test_the_limits_of_one_site_do_not_hold_another_whose_name_begins_with_it():
    assert not slice_of("shop-api").startswith(slice_of("shop").removesuffix(".slice") + "-")


def test_every_relaxation_of_the_topology_has_a_reason_and_touches_known_lines_only():
    assert set(RELAXATIONS) == set(NAMES)
    for relaxation in RELAXATIONS.values():
        assert relaxation.why
        assert set(relaxation.changes) <= set(STRICT)


def test_relaxations_add_up():
    assert directives(("jit", "network-admin"))["MemoryDenyWriteExecute"] == "no"
    assert directives(("jit", "network-admin"))["PrivateUsers"] == "no"


def test_a_machine_that_does_not_tell_its_version_gets_lines_that_every_systemd_knows():
    unknown = shop_placement(machine=Machine(2, 2**31))

    assert not any("RestartSteps" in file.content for file in Systemd().describe(unknown)[0].files)
