"""A server that serves others already: a small site comes to live beside them, and leaves again. They answer throughout.

By default a client is killed at a few steps of each way; NUAGES_FULL=1 kills it at every second one of a first deploy.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import ssl
import subprocess
import time

import pytest
from deployed import LONG, Deployed, eventually
from live_site import FULL
from neighbours import Busy


HOST_WIDE = {"accounts", "firewall", "ssh", "updates", "sysctl", "journal", "postgresql"}
FEW = (2, 30)  # steps before which a client is killed, of some sixty


@pytest.fixture(scope="module")
def busy(lab):
    (host,) = lab.up("busy-1")
    yield Busy(host).settle()
    lab.down(host.name)


@pytest.fixture(scope="module")
def shop(busy, tmp_path_factory):
    return beside(Deployed(tmp_path_factory.mktemp("shop"), busy.host), busy, port=0)


def beside(shop, busy, *accept, port=8080):
    """nuages.toml for a host whose sshd listens elsewhere."""
    named = ", ".join(json.dumps(word) for word in accept)
    shop.toml(more=f"port = {port}\naccept = [{named}]")
    path = shop.root / "nuages.toml"
    path.write_text(path.read_text() + f"port = {busy.ssh_port}\n")
    return shop


@pytest.mark.timeout(1500)
def test_neighbours_answer_while_a_site_comes_lives_and_leaves_and_their_files_stay_the_same(busy, shop):
    before = busy.look()

    what_stands_in_the_way_is_told_with_what_to_do_and_nothing_is_written(busy, shop, before)
    with busy.watched() as seen:
        beside(shop, busy)
        killed_at_its_steps_it_comes_all_the_same(shop)
        host_wide_changes_wait_for_a_word_each(busy, shop, before)
        killed_at_its_steps_it_leaves_all_the_same(shop)

    assert seen.lost == []
    assert min(seen.asked.values()) > 20, seen.asked
    assert busy.look() == before
    assert busy.host.run("systemctl list-units --all --plain --no-legend 'nuages*' 'shop*'").stdout == ""


@pytest.mark.skipif(not FULL, reason="comes and leaves some thirty times: NUAGES_FULL=1")
@pytest.mark.timeout(7200)
def test_a_client_that_is_killed_at_any_step_of_either_way_leaves_the_neighbours_alone(busy, shop):
    """What the host has of a batch it carries out to its end, so each step has a first deploy of its own."""
    beside(shop, busy)
    before = busy.look()
    with busy.watched() as seen:
        for after in range(1, 200, 2):
            text = shop.broken_off(after, whole=after % 4 == 1)
            goes_on(shop)
            assert eventually(lambda: answer_of(shop)) == (200, "1"), text
            shop.in_order()
            killed_at_its_steps_it_leaves_all_the_same(shop, after // 2 + 1)
            assert busy.look() == before, text
            assert seen.lost == [], text
            if not text:
                return


def what_stands_in_the_way_is_told_with_what_to_do_and_nothing_is_written(busy, shop, before):
    said = shop.refused("plan")
    assert "port 80 on busy-1 is taken by apache2" in said
    assert "port = 8080" in said
    assert busy.look() == before
    assert not busy.host.run("ls -d /srv/shop /var/lib/nuages").stdout

    busy.host.must("mkdir -p /srv/shop && echo precious > /srv/shop/index.html")
    assert "/srv/shop on busy-1 is somebody else's" in shop.refused("deploy", "--port", "8080")
    assert busy.host.must("cat /srv/shop/index.html; ls /srv/shop") == "precious\nindex.html\n"
    busy.host.must("rm -r /srv/shop")


def killed_at_its_steps_it_comes_all_the_same(shop):
    for after in FEW:
        if not shop.broken_off(after):
            break
    goes_on(shop)
    assert eventually(lambda: answer_of(shop)) == (200, "1")
    shop.in_order()


def goes_on(shop):
    """The next run, which waits for a step that is still under way and for the dead client's lease."""

    deadline = time.monotonic() + 300
    while (told := shop.nuages("deploy", "--wait-lock", "60", check=False)).returncode:
        assert "has been running" in told.stderr, told.stdout + told.stderr
        assert time.monotonic() < deadline
        time.sleep(0.5)


def answer_of(shop):
    """On a port of its own there is one site only, whatever name TLS asks for."""
    connection = http.client.HTTPSConnection(shop.host.address, 8080, timeout=30, context=ssl._create_unverified_context())
    with contextlib.closing(connection):
        connection.request("GET", "/", headers={"Host": "shop.example:8080"})
        answer = connection.getresponse()
        return answer.status, answer.getheader("x-version")


def host_wide_changes_wait_for_a_word_each(busy, shop, before):
    """Each word changes its own part, and what was accepted is not asked for again."""
    assert waiting(shop.nuages("deploy")) == HOST_WIDE
    gone = set(before) - set(busy.look())
    assert {line.rpartition("./")[2] for line in gone} <= {"passwd", "group", "shadow", "gshadow"}  # new accounts

    accepted = []
    for names in [[name] for name in sorted(HOST_WIDE - {"postgresql"})] if FULL else [["firewall", "ssh"]]:
        accepted += names
        beside(shop, busy, *accepted)
        assert waiting(shop.nuages("deploy")) == HOST_WIDE - set(accepted)
    assert "tcp dport 80 accept" in busy.host.must("nft list table inet nuages")
    assert "tcp dport 9999 drop" in busy.host.must("nft list table inet theirs")
    assert "passwordauthentication no" in busy.host.must("sshd -T")


def waiting(done):
    """What a command said may be accepted."""
    return set(re.findall(r'to have it: accept = \["(\w+)"\]', done.stdout + done.stderr))


def killed_at_its_steps_it_leaves_all_the_same(shop, after=5):
    """What was begun the host carries out to its end, so there may be nothing left to do for the next run."""
    killed_while_it_leaves(shop, after)
    told = shop.nuages("destroy", "--with-data", "--yes", shop.name, check=False)
    assert "shop is gone from busy-1" in told.stdout or "there is no site called shop" in told.stderr, told.stdout + told.stderr


def killed_while_it_leaves(shop, after):
    """Once it has told of so many steps."""
    client = shop.started("destroy", "--with-data", "--yes", shop.name, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    with client.stdout:
        for number, _line in enumerate(client.stdout, 1):
            if number == after:
                os.killpg(client.pid, signal.SIGKILL)
                break
    client.wait(LONG)
