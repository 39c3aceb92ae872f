"""What the lab hands to ssh, nft and sh, as it is written."""

from __future__ import annotations

import pytest

from nuages.lab import machine, network, sshconfig
from nuages.lab.addresses import Addresses
from nuages.lab.store import HostRecord, LabRecord


LAB = LabRecord("lab", 0)
WEB = HostRecord("web-1", 11, "13")


@pytest.fixture(autouse=True)
def lab_root(monkeypatch, tmp_path):
    monkeypatch.setenv("NUAGES_LAB_ROOT", str(tmp_path))
    return str(tmp_path)


def test_ssh_finds_a_host_by_its_name_and_by_its_address(golden):
    hosts = [("web-1", "198.18.0.11"), ("db-1", "198.18.0.12")]
    golden("lab/ssh_config", sshconfig.ssh_config(hosts, key="/lab/key", known_hosts="/lab/known_hosts"))


def test_known_hosts_has_a_line_for_each_host_with_a_key():
    hosts = [("web-1", "198.18.0.11", "ssh-ed25519 AAAA root@web-1\n"), ("db-1", "198.18.0.12", "")]
    assert sshconfig.known_hosts(hosts) == "web-1,198.18.0.11 ssh-ed25519 AAAA\n"


def test_the_lines_for_a_topology(golden):
    golden("lab/nuages.toml", sshconfig.topology_lines([("web-1", "198.18.0.11"), ("db-1", "198.18.0.12")], "/lab/ssh_config"))


@pytest.mark.parametrize(
    ("case", "cut"),
    [
        ("cut", {}),
        ("cut-in", {"one_way": "in"}),
        ("cut-out", {"one_way": "out"}),
        ("cut-loss", {"loss": 20}),
        ("cut-peer", {"peer": 12}),
    ],
)
def test_the_rules_of_a_cut(golden, case, cut):
    golden(f"lab/{case}.nft", network.cutting(Addresses(0), 11, **cut))


def test_the_way_out(golden):
    golden("lab/masquerade.nft", network.masquerade(Addresses(0)))


def test_the_program_that_boots_a_host(golden, lab_root):
    golden(
        "lab/boot.sh", machine.launcher(LAB, WEB, ["/sys/fs/cgroup/nuages-lab/lab/web-1/cgroup.procs"]).replace(lab_root, "/lab")
    )
