"""What root writes down for the site's page, by the program as it lies on a host, run by this Python."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from nuages.components.monitor.page import PROGRAMS, ROOMS
from nuages.release.layout import Layout
from nuages.testing import shop_config, shop_release, write_site


ENTRY = {"at": "2026-01-02T03:04:00Z", "deploy": "aaaa", "who": "ada", "host": "laptop", "what": "deploy", "reason": ""}
LINE = '192.0.2.7 [{at}] "GET / HTTP/1.1" {status} 12 "-" "curl" shop.example 0.020 0.018 c0ffee\n'


@pytest.fixture
def host(tmp_path):
    layout = Layout(tmp_path / "shop")
    releases = (shop_release(1), shop_release(2, "b2", 2))
    write_site(layout, tmp_path, *releases, config=shop_config(version=1, env={"OLD": "1"}))
    write_site_config(layout, shop_config(version=2, env={"PASSWORD": "hunter2"}))
    for event in ("taken", "released"):
        with layout.audit.open("a") as file:
            file.write(json.dumps({**ENTRY, "event": event, "outcome": "1 step"}) + "\n")
    step = {"at": ENTRY["at"], "deploy": "aaaa", "step": "+ web-1  release v2: x, build b2", "seconds": 0.1}
    layout.journal.write_text("".join(json.dumps({**step, "state": state}) + "\n" for state in ("begin", "done")))
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in PROGRAMS:
        shutil.copy(ROOMS / name, programs)
    (tmp_path / "out").mkdir()
    config = {
        "site": "shop",
        "environment": "production",
        "host": "web-1",
        "dir": str(layout.dir),
        "url": "https://shop.example/",
    }
    config |= {
        "log": str(tmp_path / "access.log"),
        "style": "nginx",
        "certificates": str(tmp_path),
        "to": str(tmp_path / "out/facts.json"),
    }
    (tmp_path / "page.json").write_text(json.dumps(config))
    return tmp_path


def write_site_config(layout, config):
    layout.config(config.version).write_text(json.dumps(config.as_dict()))


def written(host):
    argv = (sys.executable, "-I", "-S", "-B", str(host / "programs/snapshot.py"), str(host / "page.json"))
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, done.stderr
    return json.loads((host / "out/facts.json").read_text())


def test_it_tells_releases_deploys_and_names(host):
    told = written(host)
    assert told["release"]["number"] == 2
    assert [release["number"] for release in told["releases"]] == [2, 1]
    assert told["releases"][0]["diff"]["config"] == ["+ PASSWORD", "- OLD"]
    assert (told["deploys"][0]["who"], told["deploys"][0]["release"]) == ("ada", 2)
    assert told["config"]["names"] == ["PASSWORD"]


def test_it_tells_no_secret_and_is_read_by_nobody_else(host):
    assert "hunter2" not in json.dumps(written(host))
    assert shop_config().secret_key not in json.dumps(written(host))
    assert os.stat(host / "out/facts.json").st_mode & 0o777 == 0o640


def test_it_counts_the_requests_of_the_last_hour(host):
    import time

    now = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime())
    lines = [LINE.format(at=now, status=status) for status in [200] * 30 + [500] * 10]
    (host / "access.log").write_text("".join(lines))
    told = written(host)
    assert (told["traffic"]["requests"], told["traffic"]["errors"]) == (40, 10)
    assert told["traffic"]["p50"] == pytest.approx(0.02, rel=0.06)
    assert any("25% of requests" in each["what"] for each in told["attention"])


def test_a_site_without_processes_is_down(host):
    told = written(host)
    assert (told["state"], told["verdict"]) == ("stopped", "down")
    assert told["attention"][0] == {"level": "bad", "what": "nothing is running", "hint": ""}


def test_what_is_half_written_is_never_read(host):
    written(host)
    assert sorted(path.name for path in (host / "out").iterdir()) == ["facts.json"]
