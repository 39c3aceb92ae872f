"""What a host of the lab is, told by what it does."""

from __future__ import annotations

import socket
import subprocess
import sys
import time

import pytest

from nuages.errors import HostError, UsageError
from nuages.lab import faults


def nuages_lab(*words, before=()):
    argv = [*before, sys.executable, "-c", "from nuages.cli import main; main()", "lab", *words]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)


def ssh(host, user, command):
    argv = ["ssh", *host.ssh_options, "-o", "BatchMode=yes", "-o", "ConnectTimeout=5", "-l", user, host.name, command]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)


def answers(host, port=22):
    try:
        with socket.create_connection((host.address, port), timeout=0.5) as connection:
            connection.settimeout(1)
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


@pytest.fixture(scope="module")
def web(lab):
    """One host for the tests that leave it as it was."""
    yield lab.up("quiet-1")[0]
    lab.down("quiet-1")


def test_a_host_is_a_whole_debian_with_systemd_and_nothing_failed(web):
    assert web.must("systemctl is-system-running --wait").strip() == "running"
    assert web.must("cat", "/etc/debian_version").startswith("13.")
    assert web.must("hostname").strip() == "quiet-1"


def test_debian_12_too(lab_host):
    host = lab_host(image="12")
    assert host.must("cat", "/etc/debian_version").startswith("12.")
    assert host.must("systemctl is-system-running --wait").strip() == "running"


def test_it_sees_its_own_network_only(web):
    assert web.must("ls", "/sys/class/net").split() == ["eth0", "lo"]
    assert web.must("hostname", "-I").split() == [web.address]
    web.must("nft add table inet own && nft delete table inet own && sysctl -qw net.ipv4.ip_nonlocal_bind=1")


@pytest.mark.parametrize("user", ["root", "admin", "ops"])
def test_people_log_in_with_the_labs_key_and_the_hosts_key_is_known(web, user):
    assert ssh(web, user, "id -un").stdout.strip() == user


def test_admin_has_sudo_without_a_password_and_ops_with_one(web):
    assert ssh(web, "admin", "sudo -n id -u").stdout.strip() == "0"
    assert ssh(web, "ops", "sudo -n id -u").returncode
    assert ssh(web, "ops", "echo ops | sudo -S -p '' id -u").stdout.strip() == "0"


def test_each_host_has_a_host_key_and_a_machine_id_of_its_own(lab_host):
    one, two = lab_host("web-1"), lab_host("web-2")
    assert one.public_host_key != two.public_host_key
    assert one.must("cat", "/etc/machine-id") != two.must("cat", "/etc/machine-id")


def test_what_one_host_fetched_the_next_installs_from_disk(lab_host):
    one, two = lab_host("web-1"), lab_host("web-2")  # the second is up before the first has fetched
    one.must("apt-get install -y -q hello", timeout=300)
    assert "Need to get 0 B/" in two.must("apt-get install -y hello", timeout=300)
    assert "Hello" in two.must("hello")


def test_a_host_that_is_on_stays_as_it_is(lab, lab_host):
    before = lab_host().must("cat", "/proc/sys/kernel/random/boot_id")
    assert lab.up("web-1")[0].must("cat", "/proc/sys/kernel/random/boot_id") == before


def test_a_host_does_not_change_its_debian_or_its_disk(lab, web):
    for options in ({"image": "12"}, {"disk": "1G"}):
        with pytest.raises(UsageError, match="is there with Debian 13"):
            lab.up(web.name, **options)


def test_a_program_is_killed_or_hung_by_its_name(web):
    web.must("systemd-run --quiet --property=Type=exec --unit=sleeper sleep 1000")
    web.fault(faults.Hang("sleep"))
    assert "T (stopped)" in web.must("grep State /proc/$(systemctl show -P MainPID sleeper)/status")
    web.fault(faults.Resume("sleeper.service"))
    web.fault(faults.Kill("sleep"))
    assert not web.run("systemctl is-active --quiet sleeper").ok
    with pytest.raises(UsageError, match="no process"):
        web.fault(faults.Kill("sleep"))


def test_a_reboot_keeps_the_disk_and_the_address_but_no_rules(lab_host):
    host = lab_host()
    host.must("echo kept > /srv/file; nft add table inet own; echo gone > /run/file")
    host.fault(faults.Reboot())
    host.wait()
    assert host.must("cat /srv/file; nft list tables; ls /run/file 2>/dev/null; hostname -I").split() == ["kept", host.address]


def test_a_host_without_power_says_nothing_and_comes_back_with_its_disk(lab, lab_host):
    host, client = lab_host("web-1"), lab_host("web-2")
    host.must("echo kept > /srv/file")
    with socket.create_connection((host.address, 22), timeout=5) as connection:
        connection.recv(100)
        host.fault(faults.PowerOff())
        assert host.state == "off"
        connection.settimeout(1)
        with pytest.raises(TimeoutError):  # no RST, no FIN
            connection.recv(100)
    with pytest.raises(HostError, match="is off"):
        host.run("true")
    assert not client.run(f"timeout 1 bash -c '< /dev/tcp/{host.address}/22'").ok
    lab.up("web-1")
    assert host.must("cat", "/srv/file").strip() == "kept"


def test_a_frozen_host_takes_connections_and_never_answers(web):
    web.fault(faults.Freeze())
    socket.create_connection((web.address, 22), timeout=2).close()
    assert not answers(web)
    web.fault(faults.Thaw())
    assert answers(web)


def test_a_host_that_is_cut_off_works_and_nobody_hears(web):
    web.fault(faults.Cut())
    assert not answers(web)
    assert web.must("hostname").strip() == "quiet-1"
    web.fault(faults.Heal())
    assert answers(web)


@pytest.mark.parametrize("one_way", ["in", "out"])
def test_one_direction_is_cut_and_the_other_is_not(lab_host, one_way):
    host, other = lab_host("web-1"), lab_host("web-2")
    host.fault(faults.Cut(one_way=one_way))
    listen = "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('', 9)); s.settimeout(2); s.recv(9)"
    hears, says = (other, host) if one_way == "in" else (host, other)
    for host_, heard in ((hears, True), (says, False)):
        peer = says if host_ is hears else hears
        # Neighbours are told: cut one way, nobody answers the question for an address.
        hardware = host_.must("cat /sys/class/net/eth0/address").strip()
        peer.must(f"ip neigh replace {host_.address} lladdr {hardware} dev eth0")
        host_.must("systemd-run", "--quiet", "--property=Type=exec", "--unit=ears", "python3", "-c", listen)
        time.sleep(0.3)
        peer.run("bash", "-c", f"echo x > /dev/udp/{host_.address}/9")
        time.sleep(0.3)
        assert host_.run("systemctl is-active --quiet ears").ok is not heard


def test_cut_off_from_one_host_it_still_reaches_the_others(lab_host):
    host, peer = lab_host("web-1"), lab_host("web-2")
    host.fault(faults.Cut(peer="web-2"))
    assert answers(host)
    assert not host.run(f"timeout 1 bash -c '< /dev/tcp/{peer.address}/22'").ok


def test_a_full_disk_has_no_room_until_it_is_freed(lab_host):
    host = lab_host(disk="200M")
    host.fault(faults.FillDisk(leave=1 << 20))
    assert "No space left" in host.run("head -c 5M /dev/zero > /srv/file").stderr
    host.fault(faults.FreeDisk())
    host.must("head -c 5M /dev/zero > /srv/file")


def test_the_disk_of_this_machine_is_never_filled(web):
    with pytest.raises(UsageError, match="no disk of its own size"):
        web.fault(faults.FillDisk())


def test_memory_is_limited_for_the_host_as_a_whole(web):
    web.fault(faults.Memory(150 << 20))
    assert not web.run("python3", "-c", "bytearray(300 << 20)").ok
    web.fault(faults.Memory(None))
    web.must("python3", "-c", "bytearray(300 << 20)")


def test_a_tenth_of_a_core_is_a_tenth(web):
    work = "import time; b = time.monotonic(); c = time.process_time()\nwhile time.process_time() < c + .1: pass\nprint(time.monotonic() - b)"
    web.fault(faults.Cpu(10))
    assert float(web.must("python3", "-c", work)) > 0.5
    web.fault(faults.Cpu(None))


def test_a_slow_cable_is_slow_both_ways(web):
    web.fault(faults.Bandwidth("2mbit"))
    began = time.monotonic()
    assert len(ssh(web, "root", "head -c 400000 /dev/zero").stdout) == 400000
    assert time.monotonic() - began > 1.2
    web.fault(faults.Bandwidth(""))


def test_the_clock_of_one_unit_is_wrong(web):
    web.must(
        "printf '[Service]\\nType=oneshot\\nExecStart=/bin/sh -c \"date +%%%%s > /run/told\"\\n' > /etc/systemd/system/clock.service"
        "; systemctl daemon-reload"
    )
    web.fault(faults.Clock("clock.service", "+1d"))
    told, now = web.must("cat /run/told; date +%s").split()
    assert 86000 < int(told) - int(now) < 86800
    web.fault(faults.Clock("clock.service", ""))
    told, now = web.must("cat /run/told; date +%s").split()
    assert abs(int(told) - int(now)) < 60


def test_a_command_that_never_ends_is_ended_with_all_it_started(web):
    assert web.run("sleep 1234 & sleep 1234", timeout=1).status == 124
    assert not web.run("pgrep", "-f", "sleep 1234").ok


def test_some_packets_are_lost_and_not_all(web):
    web.fault(faults.Cut(loss=50, one_way="in"))
    heard = sum(answers(web) for _time in range(8))
    web.fault(faults.Heal())
    assert answers(web)
    assert heard < 8  # each needs several packets to arrive at the first try


def test_the_command_line_breaks_and_mends(lab, web):
    at = ("--lab", lab.name, web.name)
    assert nuages_lab("fault", *at, "cut", "--loss", "100").returncode == 0
    assert not answers(web)
    assert nuages_lab("fault", *at, "heal").returncode == 0
    assert nuages_lab("ssh", *at, "hostname").stdout.strip() == web.name
    assert "no process 'nobody' runs" in nuages_lab("fault", *at, "kill", "nobody").stderr
    assert "'much' is no size" in nuages_lab("fault", *at, "memory", "much").stderr
    assert f"{web.name}  {web.address}  Debian 13  on" in nuages_lab("status", "--lab", lab.name).stdout


@pytest.mark.parametrize(
    "words", [("up", "web-1"), ("status",), ("down",), ("image",), ("fault", "web-1", "freeze"), ("ssh", "web-1")]
)
def test_a_root_that_may_not_mount_is_told_in_one_line(words):
    told = nuages_lab(*words, before=["setpriv", "--bounding-set=-sys_admin"])
    assert told.returncode == 1
    assert told.stderr == "nuages: the lab needs a root that may mount and make networks, which this container's may not\n"
