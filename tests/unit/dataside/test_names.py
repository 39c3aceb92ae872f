"""Databases beside the live one have names that no other site's can have, and are known by them."""

import pytest
from shipped_dataside import postgres


class Listing(postgres.Postgres):
    """A cluster with these databases."""

    databases = ()

    def question(self, query, database=""):
        return [{"name": name, "bytes": 1} for name in self.databases]


def of(name, *databases):
    found = Listing({"name": name, "host": "/var/run/postgresql", "vendor": "postgresql"})
    found.databases = databases
    return found


def test_the_databases_of_another_environment_are_not_ours():
    theirs = ("shop-staging", "shop-staging-before-20261125-163000", "shop-staging.restore", "shop-restore", "shopping.copy")
    ours = ("shop-before-20261125-163000", "shop.restore")
    found = of("shop", "shop", "postgres", *theirs, *ours).kept()
    assert [(row["name"], row["scratch"]) for row in found] == [("shop-before-20261125-163000", False), ("shop.restore", True)]


@pytest.mark.parametrize("word", ["restore", "verify", "scrub", "copy", "before-20261125-163000"])
def test_a_long_name_stays_one_and_is_known_again(word):
    long = of("x" * 63)
    name = long.beside(word)
    assert len(name) <= 63
    assert [row["name"] for row in of("x" * 63, name).kept()] == [name]
