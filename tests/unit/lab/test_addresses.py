"""A lab's number decides every name and address it has on this machine."""

from __future__ import annotations

import pytest

from nuages.errors import UsageError
from nuages.lab.addresses import LABS, LAST_HOST, Addresses, checked_name, free_number


def test_the_first_lab():
    at = Addresses(0)
    assert (at.network, at.gateway, at.host(11)) == ("198.18.0.0/24", "198.18.0.1", "198.18.0.11")
    assert (at.bridge, at.link(11), at.table) == ("nulab0", "nulab0.11", "nuages_lab_0")


def test_labs_fill_the_range_for_benchmarks_and_no_more():
    assert Addresses(255).network == "198.18.255.0/24"
    assert Addresses(256).network == "198.19.0.0/24"
    assert Addresses(LABS - 1).network == "198.19.255.0/24"


def test_names_of_links_fit_into_the_kernels_fifteen_letters():
    assert max(len(Addresses(number).link(LAST_HOST)) for number in range(LABS)) <= 15


def test_the_lowest_free_number_is_taken():
    assert free_number({0, 1, 3}, first=0, last=9, what="lab") == 2
    with pytest.raises(UsageError, match="all 2 numbers for a lab are taken"):
        free_number({0, 1}, first=0, last=1, what="lab")


@pytest.mark.parametrize("name", ["web-1", "a", "db1"])
def test_a_host_is_named_as_the_network_allows(name):
    assert checked_name(name) == name


@pytest.mark.parametrize("name", ["", "Web", "web_1", "-web", "web-", "../etc", "a b", "x" * 41, "web\n"])
def test_other_names_are_refused(name):
    with pytest.raises(UsageError, match="can't name a host"):
        checked_name(name)
