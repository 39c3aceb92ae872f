"""A site under systemd: switched without a lost request, back after a power cut, its jobs ended and its clock never twice."""

from __future__ import annotations

import json
import os
import re

import pytest
from lab_units import HOSTILE, LOAD, Units

from nuages.lab.faults import PowerOff, PowerOn


COUNT = "test $(systemctl list-units --plain --no-legend --state=active 'shop-*@*' | wc -l) = 4"
IMAGES = ("13", "12") if os.environ.get("NUAGES_FULL") else ("13",)
ASK = """
import http.client, socket
c = http.client.HTTPConnection("shop.example"); c.sock = socket.socket(socket.AF_UNIX)
c.sock.connect("/srv/shop/run/web.sock"); c.request("GET", "/try"); print(c.getresponse().read().decode())
"""


@pytest.fixture(scope="module", params=IMAGES)
def site(lab, request):
    (host,) = lab.up(f"units-{request.param}", image=request.param)
    site = Units(host, request.param)
    site.make_ready()
    yield site
    lab.down(host.name)


@pytest.fixture
def live(site):
    if not site.ask("status")["live"]:
        site.go(1)
    return site


def test_three_switches_lose_no_request_no_job_and_never_run_the_clock_twice(live):
    live.write("/opt/load.py", LOAD)
    live.host.must("rm -f /run/enough; systemd-run -q --unit=load python3 /opt/load.py")
    for number in (2, 3, 4):
        live.go(number)
    live.host.must("touch /run/enough; for i in $(seq 100); do test -s /tmp/counts.json && exit; sleep 0.1; done; exit 1")
    counts = json.loads(live.host.must("cat /tmp/counts.json"))

    assert counts.get("lost", 0) == 0
    assert set(counts) == {"1", "2", "3", "4"}
    ended = [line for line in live.noted("jobs") if not line.startswith("4 ")]
    assert len([line for line in ended if line.endswith("begin")]) == len([line for line in ended if line.endswith("end")])
    assert live.noted("ticks") == ["1 up", "2 up", "3 up", "4 up"]


def test_a_release_that_answers_badly_is_refused_and_the_live_one_stays(live):
    before = live.running()
    name = live.bring(7, BROKEN="yes")
    live.ask("start", name)

    refused = live.ask("prove", name, wrong=True)
    live.ask("discard", name)

    assert refused["error"] == "status: GET / answered 500, expected 2xx,3xx,401,403,404"
    assert live.running() == before


def test_the_sandbox_keeps_code_secrets_and_system_from_the_site(live):
    said = live.host.must("python3", "-c", ASK)
    told = json.loads(said)

    assert told.pop("hostile") == HOSTILE
    assert {name for name, worked in told.items() if worked} == {"write /srv/shop/shared/data/x"}


def test_systemd_itself_finds_little_to_expose(live):
    for unit in live.running():
        said = live.host.must(f"systemd-analyze security --no-pager {unit} | tail -1")
        assert float(re.search(r": ([\d.]+) ", said)[1]) < 2.0, said


def test_nobody_but_the_proxy_and_the_site_comes_near_the_sockets(live):
    live.host.must("id other >/dev/null 2>&1 || useradd other")

    assert not live.host.run("runuser -u other -- ls /run/nuages-shop/").ok
    assert live.host.run("runuser -u www-data -- test -S /srv/shop/run/web.sock").ok


def test_a_power_cut_brings_back_what_was_live_and_nothing_else(live):
    before = live.running()
    live.bring(8)
    live.ask("start", "v8-aaaa")

    live.host.fault(PowerOff())
    live.host.fault(PowerOn())
    live.host.wait()
    live.host.must("for i in $(seq 100); do systemctl is-active -q 'shop-web@*' && exit; sleep 0.1; done; exit 1")
    live.host.must("systemctl start nuages-site-shop")

    assert live.running() == before
    assert not any("TWICE" in line for line in live.noted("ticks"))


def test_taken_down_it_stays_down_over_a_boot_and_comes_back_when_asked(live):
    live.ask("down")

    live.host.must("systemctl start nuages-site-shop")
    assert live.running() == []
    assert live.ask("status")["supervisor"] == 0

    live.ask("ensure", "--listen", "127.0.0.1:8000")
    live.go(9)
    live.host.must(f"for i in $(seq 100); do {COUNT} && exit; sleep 0.1; done; exit 1")
