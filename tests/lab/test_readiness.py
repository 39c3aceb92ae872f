"""A bare server becomes ready, stays so, undoes what locks us out, and is left as it was found."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from server import Server

from nuages.errors import HostError


@pytest.mark.parametrize("image", ["13", "12"])
def test_a_bare_server_becomes_ready_and_is_left_as_it_was_found(lab_host, image):
    server = Server(lab_host("web-1", image=image))
    before = server.look()

    server.make_ready()

    assert server.compare().steps == ()
    assert set(listening(server)) == {22}
    assert "policy drop" in server.lab.must("nft list table inet nuages")
    assert "passwordauthentication no" in server.lab.must("sshd -T")
    assert server.lab.must("runuser -u deploy -- sudo -n id -u").strip() == "0"
    assert 'Automatic-Reboot "false"' in server.lab.must("apt-config dump")
    assert not server.lab.run("runuser -u shop -- touch /srv/shop/releases/x").ok
    assert not server.lab.run("dpkg -l | grep -E '^ii +(gcc|make|build-essential) '").ok

    server.leave(data=True)

    assert server.look() == before


def listening(server):
    return [int(line.split()[3].rpartition(":")[2]) for line in server.lab.must("ss -Hltn").splitlines()]


def test_what_a_person_changed_is_shown_and_not_overwritten(lab_host):
    server = Server(lab_host())
    server.make_ready()
    server.lab.must(
        "echo '# by hand' >> /etc/sysctl.d/60-nuages.conf; systemctl stop logrotate.timer; chmod 600 /etc/nuages/firewall.nft"
    )

    comparison = server.compare()
    assert [drift.path for drift in comparison.drift] == ["/etc/sysctl.d/60-nuages.conf"]
    assert [step.what for step in comparison.steps] == ["logrotate.timer started", *guarded("/etc/nuages/firewall.nft")]
    server.carry_out(comparison.steps)
    assert server.lab.must("tail -1 /etc/sysctl.d/60-nuages.conf") == "# by hand\n"

    server.make_ready(accept=["file:/etc/sysctl.d/60-nuages.conf"])
    assert server.compare().drift == server.compare().steps == ()
    assert server.lab.must("tail -1 /root/nuages-changed-by-hand/etc/sysctl.d/60-nuages.conf") == "# by hand\n"


def guarded(path):
    return (
        "changes of firewall will take themselves back in 90 s",
        path,
        "nuages-firewall.service reloaded",
        "a fresh login still works",
    )


def test_a_firewall_that_locks_out_takes_itself_back(lab_host):
    server = Server(lab_host())
    locked = [closed(description) for description in server.described()]

    with pytest.raises(HostError):
        server.carry_out(server.compare(locked).steps, seconds=4)

    assert eventually(lambda: server.lab.run("nft list table inet nuages").status)
    assert eventually(lambda: not server.lab.must("ls /etc/ssh/sshd_config.d /var/lib/nuages/guard | grep -v : || true").strip())
    server.ssh.confirm()
    assert "took itself back" in server.compare().notes[0]
    server.make_ready()
    assert server.compare().steps == server.compare().notes == ()


def closed(description):
    """SSH is let in on a port where nobody listens; the connection that is open stays open."""
    files = [replace(file, content=str(file.content).replace("dport { 22 }", "dport { 2222 }")) for file in description.files]
    return replace(description, files=tuple(files))


def eventually(what, seconds=20):
    end = time.monotonic() + seconds
    while not what():
        if time.monotonic() > end:
            return False
        time.sleep(0.5)
    return True


def test_a_client_that_dies_before_it_confirms_leaves_nothing_half_done(lab_host):
    server = Server(lab_host())
    server.carry_out(server.compare().steps, confirm=False)

    again = server.compare().steps

    assert [step.ops[0]["op"] for step in again] == ["arm", "confirm"]
    server.carry_out(again)
    assert server.compare().steps == ()
    assert not server.lab.must("systemctl list-units --no-legend 'nuages-revert*'")


NEIGHBOURS = """
systemd-run -q --unit=neighbour python3 -m http.server 8080 --directory /usr/share
nft add table inet theirs; nft add chain inet theirs input '{ type filter hook input priority 0; policy accept; }'
nft add rule inet theirs input tcp dport 9999 drop
mkdir -p /etc/nginx/sites-enabled; echo 'server {}' > /etc/nginx/sites-enabled/blog.conf
until ss -Hltn | grep -q 8080; do sleep 0.1; done
"""


def test_on_a_server_of_others_host_wide_changes_wait_and_neighbours_answer_throughout(lab_host):
    server = Server(lab_host())
    server.lab.must(NEIGHBOURS)
    before = server.look()

    comparison = server.compare()
    assert {consent.id for consent in comparison.consent} >= {"firewall", "ssh", "updates", "sysctl", "accounts"}
    server.carry_out(comparison.steps)
    assert not server.lab.run("nft list table inet nuages").ok
    assert server.compare().steps == ()

    server.make_ready(accept=["firewall"])
    assert "tcp dport 8080 accept" in server.lab.must("nft list table inet nuages")
    assert server.lab.must("nft list table inet theirs").count("tcp dport 9999 drop") == 1
    assert "200" in server.lab.must(
        "curl -sI localhost:8080 2>/dev/null || python3 -c 'import urllib.request as u; print(u.urlopen(\"http://localhost:8080\").status)'"
    )

    server.leave(data=True)
    assert server.look() == before
