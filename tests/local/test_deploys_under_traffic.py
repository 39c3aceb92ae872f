"""Visitors don't notice deploys: none of their requests is lost, and nothing grows.

Small counts by default; NUAGES_FULL=1 takes those that Nuages promises.
"""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path

import pytest
from live_site import FULL, Site, a_site, eventually
from traffic import Traffic


pytestmark = pytest.mark.local

DEPLOYS, ROLLBACKS, CHANGES = (20, 5, 5) if FULL else (2, 1, 1)
IN_A_ROW = 300 if FULL else 4


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with a_site(tmp_path_factory.mktemp("traffic")) as site:
        site.up()
        yield site


def visitors(site: Site, **options: object) -> Traffic:
    """200 requests a second, half of them on new connections; slow pages and an upload are always in flight."""
    return Traffic(site.url, rate=100, keepalive_rate=100, **options)


def lost(traffic: Traffic) -> tuple[int, int]:
    print(traffic.report)
    return traffic.report.failed, traffic.report.retried


def page_says(site: Site) -> str:
    return re.findall(r"version (\S+?),", site.get())[0]


def test_new_code_goes_live_without_losing_a_request(site):
    with visitors(site) as traffic:
        for number in range(DEPLOYS):
            site.version(f"code{number}").release()
            assert page_says(site) == f"code{number}"
    assert lost(traffic) == (0, 0)
    assert traffic.report.longest_stall < 2


def test_rollbacks_lose_no_request(site):
    good = site.status()["release"]
    kept = page_says(site)
    bad = site.version("regretted").release()
    with visitors(site) as traffic:
        for number in range(ROLLBACKS):
            back = number % 2 == 0
            site.nuages("rollback", f"v{good if back else bad}")
            assert page_says(site) == (kept if back else "regretted")
            good, bad = (site.status()["release"], bad) if back else (good, site.status()["release"])
    assert lost(traffic) == (0, 0)


def test_changes_of_configuration_lose_no_request(site):
    with visitors(site) as traffic:
        for number in range(CHANGES):
            site.nuages("config", "set", f"GREETING=hello {number}")
            assert site.get("/variable/GREETING") == f'"hello {number}"'
    assert lost(traffic) == (0, 0)


def test_restarts_and_scaling_lose_no_request(site):
    with visitors(site) as traffic:
        site.nuages("restart")
        site.nuages("scale", "web=3", "worker=2")
    assert lost(traffic) == (0, 0)


def test_recycled_workers_lose_no_request(site):
    site.nuages("config", "set", "GUNICORN_CMD_ARGS=--max-requests 400 --max-requests-jitter 50")
    with visitors(site) as traffic:
        time.sleep(60 if FULL else 8)
    site.nuages("config", "unset", "GUNICORN_CMD_ARGS")
    assert (site.state / "logs" / "web.log").read_text().count("Autorestarting worker") > 2
    assert lost(traffic) == (0, 0)


def test_a_killed_worker_loses_at_most_what_it_had_accepted(site):
    with visitors(site) as traffic:
        time.sleep(2)
        os.kill(worker_of(site), signal.SIGKILL)
        time.sleep(3)
    # 2 slow pages, 1 upload, the idle and the busy of 20 kept connections: those can be in one worker.
    assert lost(traffic)[0] <= 10


def worker_of(site: Site) -> int:
    import urllib.request

    with urllib.request.urlopen(site.url) as answer:
        return int(answer.headers["X-Pid"])


def test_the_death_of_our_own_processes_loses_no_request(site):
    with visitors(site) as traffic:
        for half in ("supervisor", "keeper"):
            (pid,) = pids_of(site, half)
            os.kill(pid, signal.SIGKILL)
            eventually(lambda half=half, pid=pid: set(pids_of(site, half)) - {pid})
            time.sleep(1)
        site.nuages("restart")
    assert lost(traffic) == (0, 0)


def pids_of(site: Site, half: str) -> list[int]:
    return [pid for pid, line in site.pids().items() if f"/{half}.py" in line]


def test_many_deploys_in_a_row_leave_nothing_that_grows(site):
    site.write(**{"nuages.toml": "keep = 2\n"})
    for number in range(3):
        change(site, number)
    before = belongings(site)
    for number in range(IN_A_ROW):
        change(site, number)
        assert len(belongings(site)["processes"]) == len(before["processes"])
    after = belongings(site)
    site.write(**{"nuages.toml": None})
    assert after["processes"] == before["processes"]
    assert after["open"] <= before["open"]
    grown = {kind: (before["files"].get(kind, 0), n) for kind, n in after["files"].items() if n > before["files"].get(kind, 0)}
    assert [kind for kind in grown if not kind.startswith("cache/inspections/")] == [], grown
    assert grown.get("cache/inspections/Njson", (0, 0))[1] <= 8  # it is emptied from there on
    assert after["memory"] < before["memory"] * 1.2


def change(site: Site, number: int) -> None:
    """Every way to make a new release in turn."""
    if number % 10 == 0:
        site.version(f"row{time.monotonic()}").release()
    elif number % 2:
        site.nuages("restart")
    else:
        site.nuages("config", "set", f"GREETING={time.monotonic()}")


def belongings(site: Site) -> dict:
    """What could grow: processes, the open files and sockets of ours, files on disk, memory of ours."""
    ours = [pid for pid, line in site.pids().items() if "keeper.py" in line or "supervisor.py" in line]
    files = [re.sub(r"\bv?[0-9a-f]*\d[0-9a-f.-]*", "N", str(p.relative_to(site.state))) for p in site.state.rglob("*")]
    kinds = {kind: 0 for kind in files if "__pycache__" not in kind}
    for kind in files:
        if kind in kinds:
            kinds[kind] += 1
    return {
        "processes": sorted(re.sub(r"\S*/", "", line) for line in site.pids().values()),
        "open": sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in ours),
        "memory": sum(resident(pid) for pid in ours),
        "files": kinds,
    }


def resident(pid: int) -> int:
    return int(re.findall(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[0])
