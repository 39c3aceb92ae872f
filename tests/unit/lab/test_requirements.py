"""Where there can be no lab, one line says so."""

from __future__ import annotations

from nuages.lab.requirements import lacking


EVERY = (1 << 41) - 1
ALL = {"nsenter", "systemd-nspawn", "debootstrap", "nft", "ip", "ssh-keygen"}


def test_nothing_is_lacking_on_a_linux_machine_as_root():
    assert lacking("linux", 0, EVERY, ALL) == ("", "")


def test_a_mac_is_told():
    what, hint = lacking("darwin", 501, 0, set())
    assert what == "the lab needs Linux"
    assert hint


def test_another_user_than_root_is_told():
    assert lacking("linux", 1000, 0, ALL)[0].startswith("the lab needs root")


def test_a_root_without_powers_is_told():
    assert "container" in lacking("linux", 0, EVERY & ~(1 << 21), ALL)[0]


def test_missing_tools_are_named_by_their_packages():
    what, hint = lacking("linux", 0, EVERY, ALL - {"nft", "systemd-nspawn"})
    assert what == "the lab needs systemd-container and nftables"
    assert hint == "apt-get install systemd-container nftables"
