"""One screen tells how a site stands; doctor names what is broken; errors reach somebody. `test_doctor` breaks every link."""

from __future__ import annotations

import contextlib
import os
import pty
import time

import pytest
from deployed import eventually
from insight_lab import clear, first_broken, listed, mail_sink, mails


def test_every_link_holds_until_one_is_broken(shop):
    assert first_broken(shop) == ""
    shop.host.must("systemctl stop nginx")
    try:
        assert first_broken(shop) == "proxy"
    finally:
        shop.host.must("systemctl start nginx")


def test_status_tells_hosts_processes_requests_and_more_at_once(shop):
    for _ in range(30):
        shop.get("/")

    def counted():
        told = shop.status()
        return told if told["traffic"]["requests"] >= 30 else None

    told = eventually(counted, within=20)
    assert told["traffic"]["p50"] <= told["traffic"]["p95"] <= told["traffic"]["p99"]
    assert {process["name"] for process in told["all_processes"]} == {"web", "worker", "beat"}
    (host,) = told["machines"]
    assert host["memory"] > host["memory_free"] > 0
    assert host["disk"] > 0
    assert host["uptime"] > 0
    assert told["certificates"][0]["days_left"] > 60
    assert told["deploys"][0]["who"]
    assert host["updates"] is not None


def test_watching_ends_cleanly_on_a_narrow_terminal(shop):
    told = watched(shop, columns=48, looks=3)
    assert told.count("\x1b[H") >= 3, "it looked no second time"
    assert told.rstrip().endswith("\x1b[?25h\x1b[?1049l"), told[-200:]
    assert "Traceback" not in told


def watched(shop, *, columns, looks):
    """What is written to a terminal of that width; then Ctrl-C."""
    import fcntl
    import struct
    import subprocess
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    from live_site import NUAGES

    argv = [str(NUAGES), "status", "--watch", "--every", "0.5"]
    child = subprocess.Popen(
        argv, cwd=shop.root, env=shop.environment() | {"TERM": "xterm"}, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    os.set_blocking(ours, False)
    told, end = b"", time.monotonic() + 60
    while child.poll() is None:
        with contextlib.suppress(OSError):
            told += os.read(ours, 65536)
        if told.count(b"\x1b[H") >= looks or time.monotonic() > end:
            child.send_signal(2)
            time.sleep(0.5)
        time.sleep(0.05)
    with contextlib.suppress(OSError):
        told += os.read(ours, 65536)
    os.close(ours)
    assert child.returncode in (0, 2), (child.returncode, told[-500:])
    return told.decode(errors="replace")


# --- errors reach somebody -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mailing(shared_shop):
    with mail_sink(shared_shop):
        yield shared_shop


def test_a_test_message_shows_what_the_server_says(mailing):
    done = mailing.nuages("mail", "test", "bob@shop.example")
    assert "> rcpt to:<bob@shop.example>" in done.stdout
    assert "sent to bob@shop.example" in done.stdout


def test_a_storm_of_errors_sends_one_mail_a_kind_and_counts_all(mailing):
    clear(mailing)
    many = 300
    for _ in range(many):
        assert mailing.get("/fail").status == 500

    def counted():
        found = listed(mailing)
        return found if sum(group["count"] for group in found) == many else None

    (group,) = eventually(counted, within=30)
    assert (group["type"], group["where"]) == ("RuntimeError", "fail in books/views.py")
    assert group["release"] == mailing.status()["release"]
    assert mails(mailing) == 1
    text = mailing.host.must("cat /opt/sink/mail/*")
    assert "RuntimeError: the view fails" in text
    assert f"nuages errors show {group['id']}" in text
    shown = mailing.nuages("errors", "show", group["id"][:6]).stdout
    assert 'raise RuntimeError("the view fails")' in shown
