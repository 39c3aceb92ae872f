"""Where there can be no lab, one line says so."""

from __future__ import annotations

from nuages.lab.requirements import lacking


ALL = {"nsenter", "systemd-nspawn", "debootstrap", "nft", "ip", "ssh-keygen"}


def test_nothing_is_lacking_on_a_linux_machine_as_root():
    assert lacking("linux", 0, ALL) == ("", "")


def test_a_mac_is_told():
    what, hint = lacking("darwin", 501, set())
    assert what == "the lab needs Linux"
    assert hint


def test_another_user_than_root_is_told():
    assert lacking("linux", 1000, ALL)[0].startswith("the lab needs root")


def test_missing_tools_are_named_by_their_packages():
    what, hint = lacking("linux", 0, ALL - {"nft", "systemd-nspawn"})
    assert what == "the lab needs systemd-container and nftables"
    assert hint == "apt-get install systemd-container nftables"
