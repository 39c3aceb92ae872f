"""A bare server becomes ready, stays so, undoes what locks us out, and is left as it was found."""

from __future__ import annotations

import time
import urllib.request
from dataclasses import replace

import pytest
from server import Server

from nuages.engine.readiness import Comparison
from nuages.errors import HostError
from nuages.lab.faults import Reboot


@pytest.mark.parametrize("image", ["13", "12"])
def test_a_bare_server_becomes_ready_and_is_left_as_it_was_found(lab_host, image):
    server = Server(lab_host("web-1", image=image))
    before = server.look()

    server.make_ready()

    assert server.compare().steps == ()
    assert listening(server) == {22}
    assert "policy drop" in server.lab.must("nft list table inet nuages")
    assert "passwordauthentication no" in server.lab.must("sshd -T")
    assert server.lab.must("runuser -u deploy -- sudo -n id -u").strip() == "0"
    assert 'Automatic-Reboot "false"' in server.lab.must("apt-config dump")
    assert not server.lab.run("runuser -u shop -- touch /srv/shop/releases/x").ok
    assert not server.lab.run("dpkg -l | grep -E '^ii +(gcc|make|build-essential) '").ok
    if image == "13":
        what_a_person_changed_is_shown_and_not_overwritten(server)

    server.leave(data=True)

    server.lab.must("rm -rf /root/nuages-changed-by-hand")
    assert server.look() == before


def listening(server):
    return {int(line.split()[3].rpartition(":")[2]) for line in server.lab.must("ss -Hltn").splitlines()}


def what_a_person_changed_is_shown_and_not_overwritten(server):
    sysctl = "/etc/sysctl.d/60-nuages.conf"
    server.lab.must(f"echo '# by hand' >> {sysctl}; systemctl stop logrotate.timer; chmod 600 /etc/logrotate.d/nuages-shop")

    comparison = server.compare()
    assert [drift.path for drift in comparison.drift] == [sysctl]
    assert [step.what for step in comparison.steps] == ["/etc/logrotate.d/nuages-shop", "logrotate.timer started"]
    server.carry_out(comparison.steps)
    assert server.lab.must(f"tail -1 {sysctl}") == "# by hand\n"

    server.make_ready(accept=[f"file:{sysctl}"])
    again = server.compare()
    assert again.drift == again.steps == ()
    assert server.lab.must(f"tail -1 /root/nuages-changed-by-hand{sysctl}") == "# by hand\n"


def guarded(server):
    return [description for description in server.described() if description.guard]


def test_a_firewall_that_locks_out_takes_itself_back(lab_host):
    server = Server(lab_host())
    wanted = guarded(server)

    with pytest.raises(HostError):
        server.carry_out(server.compare([closed(description) for description in wanted]).steps, seconds=4)

    assert eventually(lambda: server.lab.run("nft list table inet nuages").status)
    assert eventually(
        lambda: not server.lab.must("ls -A /etc/ssh/sshd_config.d /var/lib/nuages/guard | grep -v : || true").strip()
    )
    server.ssh.confirm()
    assert "took itself back" in server.compare(wanted).notes[0]
    server.carry_out(server.compare(wanted).steps)
    assert server.compare(wanted) == Comparison()


def closed(description):
    """SSH is let in on a port where nobody listens; the connection that is open stays open."""
    files = [replace(file, content=str(file.content).replace("dport { 22 }", "dport { 2222 }")) for file in description.files]
    return replace(description, files=tuple(files))


def eventually(what, seconds=30):
    end = time.monotonic() + seconds
    while not what():
        if time.monotonic() > end:
            return False
        time.sleep(0.3)
    return True


def test_a_client_that_dies_or_a_host_that_starts_anew_before_the_word_leaves_nothing_half_done(lab_host):
    server = Server(lab_host())
    wanted = guarded(server)
    server.carry_out(server.compare(wanted).steps, confirm=False)

    again = server.compare(wanted).steps

    assert [step.ops[0]["op"] for step in again] == ["arm", "confirm"]
    server.carry_out(again)
    assert server.compare(wanted).steps == ()
    assert not server.lab.must("systemctl list-units --all --no-legend 'nuages-revert*'")
    assert not server.lab.must("find /etc/systemd/system -name 'nuages-revert*'")

    server.carry_out(server.compare([closed(description) for description in wanted]).steps, confirm=False)
    server.lab.fault(Reboot())  # with the port of SSH closed: nobody could confirm that
    server.lab.wait()

    assert eventually(
        lambda: server.lab.run("test -e /etc/systemd/system/multi-user.target.wants/nuages-revert-login-shop.service").status
    )
    server.ssh.confirm()
    assert server.compare(wanted).steps == ()
    assert "tcp dport 22 accept" in server.lab.must("nft list table inet nuages")


NEIGHBOURS = """
systemd-run -q --unit=neighbour python3 -m http.server 8080 --directory /usr/share
nft add table inet theirs; nft add chain inet theirs input '{ type filter hook input priority 0; policy accept; }'
nft add rule inet theirs input tcp dport 9999 drop
mkdir -p /etc/nginx/sites-enabled; echo 'server {}' > /etc/nginx/sites-enabled/blog.conf
until ss -Hltn | grep -q 8080; do sleep 0.1; done
"""


def test_on_a_server_of_others_host_wide_changes_wait_and_neighbours_answer(lab_host):
    server = Server(lab_host())
    server.lab.must(NEIGHBOURS)
    before = server.look()
    wanted = [description for description in server.described() if description.name not in ("logs", "updates")]  # no packages

    comparison = server.compare(wanted)
    assert {consent.id for consent in comparison.consent} == {"firewall", "ssh", "sysctl", "journal", "accounts"}
    server.carry_out(comparison.steps)
    assert not server.lab.run("nft list table inet nuages").ok
    assert server.compare(wanted).steps == ()

    server.carry_out(server.compare(wanted, accept=["firewall"]).steps)
    assert "tcp dport 8080 accept" in server.lab.must("nft list table inet nuages")
    assert "tcp dport 9999 drop" in server.lab.must("nft list table inet theirs")
    assert urllib.request.urlopen(f"http://{server.lab.address}:8080", timeout=5).status == 200

    server.leave(data=True)
    assert server.look() == before
