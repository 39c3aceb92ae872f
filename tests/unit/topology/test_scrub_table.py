"""[scrub]: which rules can be written, and what is said of those that can't."""

from __future__ import annotations

import pytest

from nuages.errors import TopologyError
from nuages.topology.scrub import Rule, scrub_of


def test_rules_are_kept_by_the_names_they_have():
    scrub = scrub_of({"strict": True, "shop.Customer.email": "email", "shop.Note.text": "text:left: out", "table:old": "delete"})
    assert scrub.strict
    assert scrub.rules == {
        "shop.Customer.email": Rule("email"),
        "shop.Note.text": Rule("text", "left: out"),
        "table:old": Rule("delete"),
    }


def test_without_quotes_it_is_the_same_rule():
    assert scrub_of({"shop": {"Customer": {"email": "email"}}}) == scrub_of({"shop.Customer.email": "email"})


@pytest.mark.parametrize(
    ("name", "said", "word"),
    [
        ("email", "email", "names no column"),
        ("shop.Customer.email", "e-mail", "there is no 'e-mail'"),
        ("shop.Customer.email", 3, "should be text"),
        ("shop.Customer", "email", "a whole table takes delete or keep"),
        ("table:people", "hash", "a whole table takes delete or keep"),
        ("shop.Customer.born", "date:soon", "not a number of days"),
        ("shop.Customer.born", "delete", "say how old"),
        ("shop.Customer.email", "email:x", "takes nothing after a colon"),
    ],
)
def test_what_can_not_be_read_says_why(name, said, word):
    with pytest.raises(TopologyError, match=word) as caught:
        scrub_of({name: said})
    assert caught.value.where == f'scrub."{name}"'


def test_strict_is_a_switch():
    with pytest.raises(TopologyError):
        scrub_of({"strict": "yes"})
