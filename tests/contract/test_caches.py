"""What every cache must keep, whichever it is."""

import pytest
from described import GIB, MIB, shop_placement
from packaging.requirements import Requirement

from nuages.components.registry import CACHES, cache
from nuages.errors import TopologyError


ALL = pytest.mark.parametrize("name", sorted(CACHES))
QUEUED = {"tasks": {"celery": {"app": "shop", "broker": ""}}}


def described(name, site="shop", **how):
    placement = shop_placement(name=site, **{"facts": QUEUED, **how})
    return cache(name, placement.machine).describe(placement)


def units(name):
    return [file for d in described(name) for file in d.files if file.path.endswith(".service")]


@ALL
def test_it_gives_the_same_variables_before_and_after_the_build(name):
    placement = shop_placement(facts=QUEUED)
    given = {key: value for d in described(name) for key, value in d.exports.items()}
    assert given == cache(name, placement.machine).exports(placement.topology, placement.manifest)


@ALL
def test_its_requirements_are_lines_that_pip_reads(name):
    placement = shop_placement()
    assert all(Requirement(line) for line in cache(name, placement.machine).requires(placement.manifest))


@ALL
def test_it_opens_no_port_and_its_unit_has_no_network(name):
    assert not [port for d in described(name) for port in d.ports]
    assert all(
        "PrivateNetwork=yes" in file.content and "RestrictAddressFamilies=AF_UNIX\n" in file.content for file in units(name)
    )


@ALL
def test_only_the_sites_group_reaches_its_socket(name):
    for file in units(name):
        assert "Group=shop\n" in file.content
        assert "RuntimeDirectoryMode=0750\n" in file.content


@ALL
def test_two_sites_share_nothing(name):
    shop, blog = ({file.path for d in described(name, site) for file in d.files} for site in ("shop", "blog"))
    assert not shop & blog


@ALL
def test_it_is_bounded_and_smaller_on_a_small_machine(name):
    def bounds(memory):
        text = "".join(str(file.content) for d in described(name, memory=memory) for file in d.files)
        return [int(line.partition("=")[2].rstrip("M")) for line in text.splitlines() if line.startswith("MemoryMax=")]

    assert all(small < large for small, large in zip(bounds(960 * MIB), bounds(8 * GIB), strict=True))


@ALL
def test_the_packages_own_instance_goes_only_where_we_brought_the_package(name):
    for unit in (unit for d in described(name) for unit in d.units if not unit.name.startswith("shop-")):
        assert not unit.running
        assert unit.of_package in {package for d in described(name) for package in d.packages}


@ALL
def test_every_file_says_who_wrote_it_and_what_to_edit_instead(name):
    for file in (file for d in described(name) for file in d.files):
        assert str(file.content).startswith("# Written by Nuages for the site shop."), file.path


def test_one_that_is_not_there_is_guessed():
    with pytest.raises(TopologyError) as error:
        cache("valky", shop_placement().machine)
    assert "did you mean valkey?" in error.value.hint
