"""The base on each system, and where it holds back."""

from dataclasses import replace

import pytest
from described import GIB, SYSTEMS, compare_disk, shop_placement

from nuages.components.base import describe_base
from nuages.components.base.limits import swap_size
from nuages.components.contract import Port
from nuages.topology.model import Services


PORTS = (Port(80, what="http"), Port(443, what="https"), Port(9100, source="192.0.2.0/24", what="metrics"))
FACTS = {"login": "root", "by_key": True, "keys": ["ssh-ed25519 AAAA ada"], "disk": 40 * GIB, "file_system": "ext4"}


def described(system="debian-13", ssh_port=22, facts=None, services=None, **how):
    placement = shop_placement(system, services=services, **how)
    machine = replace(placement.machine, ssh_port=ssh_port, facts={**FACTS, **(facts or {})})
    return describe_base(replace(placement, machine=machine), PORTS)


def named(name, **how):
    return [d for d in described(**how) if d.name == name]


def text_of(name, **how):
    return "\n".join(str(file.content) for d in named(name, **how) for file in d.files)


@pytest.mark.parametrize("system", sorted(SYSTEMS))
def test_each_system_has_its_files(golden, system):
    compare_disk(golden, f"base-{system}", described(system))


def test_a_machine_of_one_gigabyte_gets_swap(golden):
    compare_disk(golden, "base-one-gigabyte", described(memory=GIB))


def test_a_server_of_others_behind_ufw_on_another_port(golden):
    facts = {"ufw": True, "clock": "chrony", "login": "ada"}
    compare_disk(golden, "base-ufw-chrony-login-ada", described(ssh_port=2222, facts=facts))


def test_ssh_stays_open_wherever_sshd_listens():
    assert "tcp dport { 22, 2222 } accept" in text_of("firewall", ssh_port=2222, facts={"sshd_ports": [22, 2222]})


def test_the_neighbours_ports_stay_open():
    assert "udp dport 51820 accept" in text_of("firewall", facts={"neighbours": ["tcp/8080", "udp/51820"]})


def test_passwords_are_left_alone_where_the_login_did_not_come_by_key():
    for by_key in (False, None):
        assert "PasswordAuthentication" not in text_of("ssh", facts={"by_key": by_key})
    assert "PasswordAuthentication no" in text_of("ssh")


def test_sshd_is_left_alone_where_it_reads_no_drop_ins():
    assert not named("ssh", facts={"includes": False})


def test_what_may_lock_us_out_is_under_guard():
    assert {d.name for d in described() if d.guard} == {"firewall", "ssh"}


def test_the_site_s_account_owns_no_code_and_no_secret():
    (site,) = named("site")
    owned = {directory.path for directory in site.directories if directory.owner == "shop"}
    assert owned == {"/srv/shop/errors", *(f"/srv/shop/shared/{name}" for name in ("media", "data", "files", "home"))}


def test_no_folder_of_the_site_is_writable_by_others():
    (site,) = named("site")
    assert not [d for d in site.directories if d.mode & 0o022]


def test_switched_off_in_nuages_toml_it_is_off():
    off = Services(firewall=False, ssh_hardening=False, updates=False)
    assert not {"firewall", "ssh", "updates"} & {d.name for d in described(services=off)}


def test_deploy_is_made_only_where_people_come_as_root():
    assert named("accounts")
    assert not named("accounts", facts={"login": "ada"})
    assert not named("accounts", facts={"keys": []})


@pytest.mark.parametrize("facts", [{"container": "lxc"}, {"swap": GIB}, {"file_system": "btrfs"}, {"disk": GIB}])
def test_no_swap_where_it_can_not_be_or_is_already(facts):
    assert not named("swap", memory=GIB, facts=facts)


def test_swap_is_as_large_as_the_memory_between_a_half_and_two_gigabytes():
    assert [swap_size(int(memory * GIB)) / GIB for memory in (0.25, 0.95, 1.9, 3.8, 4, 0)] == [0.5, 1, 2, 2, 0, 0]


def test_every_file_says_who_wrote_it_and_what_to_edit_instead():
    for file in (file for d in described(memory=GIB) for file in d.files if not file.once):
        assert "Written by Nuages" in str(file.content).splitlines()[0], file.path
