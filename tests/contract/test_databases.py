"""What every database must keep, whichever it is."""

import pytest
from described import shop_placement
from packaging.requirements import Requirement

from nuages.components.registry import DATABASES, database
from nuages.errors import TopologyError
from nuages.topology.model import Services


ALL = pytest.mark.parametrize("name", sorted(DATABASES))


def described(name):
    return database(name).describe(shop_placement(services=Services(database=name)))


@ALL
def test_it_gives_the_same_variables_before_and_after_the_build(name):
    placement = shop_placement()
    given = {key: value for d in described(name) for key, value in d.exports.items()}
    assert given == database(name).exports(placement.topology, placement.manifest)


@ALL
def test_no_password_is_in_what_it_gives(name):
    for value in database(name).exports(shop_placement().topology, {}).values():
        assert ":" not in value.partition("://")[2].partition("@")[0]


@ALL
def test_its_requirements_are_lines_that_pip_reads(name):
    assert all(Requirement(line) for line in database(name).requires({}))


@ALL
def test_it_opens_no_port(name):
    assert not [port for d in described(name) for port in d.ports]


@ALL
def test_every_file_says_who_wrote_it_and_what_to_edit_instead(name):
    for file in (file for d in described(name) for file in d.files):
        assert str(file.content).startswith("# Written by Nuages "), file.path
        assert "To change it:" in str(file.content)


@ALL
def test_what_it_does_is_asked_for_first_or_may_be_done_twice(name):
    for action in (action for d in described(name) for action in d.actions):
        again = any(word in str(action.command) for word in ("ALTER", "REVOKE", "IF NOT EXISTS"))
        assert action.unless or again, action.key


@ALL
def test_described_twice_it_is_the_same(name):
    assert described(name) == described(name)


def test_one_that_is_not_there_is_guessed():
    with pytest.raises(TopologyError) as error:
        database("postgres")
    assert "did you mean postgresql?" in error.value.hint
