"""`nuages dashboard` as a person starts and ends it."""

import re
import signal
import urllib.error
import urllib.request

import pytest
from live_site import Site


pytestmark = pytest.mark.local


@pytest.fixture
def started(tmp_path):
    process = Site(tmp_path).start_nuages("dashboard", "--no-open")
    yield process
    process.kill()
    process.communicate()


def opened(link):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(link, timeout=10) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_it_prints_a_link_that_works_once_and_ends_with_ctrl_c(started):
    link = re.search(r"http://127\.0\.0\.1:\d+/\?token=\S+", started.stdout.readline())[0]
    assert opened(link) == 200
    assert opened(link) == 403
    started.send_signal(signal.SIGINT)
    assert started.wait(20) == 0


def test_a_port_that_is_taken_is_told(started, tmp_path):
    port = re.search(r":(\d+)/", started.stdout.readline())[1]
    told = Site(tmp_path / "other").refused("dashboard", "--no-open", "--port", port)
    assert f"port {port} is in use" in told
