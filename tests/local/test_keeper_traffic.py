"""No request is lost while releases change under load."""

import os
import signal
import socket
import time

import pytest
from kept_site import KeptSite, eventually
from traffic import Traffic


pytestmark = pytest.mark.local


@pytest.fixture
def site(tmp_path):
    site = KeptSite(tmp_path)
    site.ensure()
    yield site
    site.close()


def test_switches_under_load_lose_nothing(site):
    site.deploy("v0")
    with Traffic(site.url) as traffic:
        for number in range(1, 4):
            site.deploy(f"v{number}")
            site.ctl("drain-wait")
    assert (traffic.report.failed, traffic.report.retried) == (0, 0), traffic.report
    assert traffic.report.longest_stall < 5


def test_the_death_of_both_halves_under_load_loses_nothing(site):
    site.deploy("v0")
    with Traffic(site.url, slow=0) as traffic:
        for half in ("supervisor", "keeper"):
            before = site.kill(half)
            eventually(lambda half=half, before=before: site.ctl("status")[half] != before)
    assert traffic.report.failed == 0, traffic.report


def test_workers_that_are_recycled_under_load_lose_nothing(site):
    site.deploy("v0", max_requests=150)
    with Traffic(site.url, slow=1) as traffic:
        time.sleep(8)
    log = (site.root / "logs" / "web.log").read_text()
    assert log.count("Booting worker") > 4
    assert traffic.report.failed == 0, traffic.report


def test_a_killed_worker_loses_at_most_what_it_had_accepted(site):
    site.deploy("v0")
    with Traffic(site.url, slow=2, uploads=1) as traffic:
        time.sleep(1)
        import urllib.request

        with urllib.request.urlopen(site.url) as answer:
            os.kill(int(answer.headers["X-Pid"]), signal.SIGKILL)
        time.sleep(3)
    # 2 slow pages, 1 upload, and of the 200 a second those that it was answering
    assert traffic.report.failed <= 8, traffic.report


@pytest.mark.parametrize("sent", [
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"GET / HTTP/1.1\r\nHo", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999\r\n\r\nx",
], ids=["idle keep-alive", "slow headers", "slow body"])  # fmt: skip
def test_a_hundred_slow_clients_hold_up_nobody(site, sent):
    site.deploy("v0", threads=8)
    host, port = site.address.split(":")
    slow = [socket.create_connection((host, int(port))) for _ in range(100)]
    for client in slow:
        client.sendall(sent)
    time.sleep(0.5)
    for _ in range(20):
        assert site.get(timeout=2).startswith("v0")
    for client in slow:
        client.close()
