"""PostgreSQL: tuned to the machine, of one role for each site, without a password and without a port."""

import re
from dataclasses import replace

import pytest
from described import GIB, MIB, SYSTEMS, compare_disk, shop_placement

from nuages.components.database.postgresql import PostgreSQL
from nuages.errors import HostError


GIS = {"databases": {"default": {"engine": "django.contrib.gis.db.backends.postgis"}}}
CASES = {
    "postgresql-debian-13": {},
    "postgresql-debian-12": {"system": "debian-12"},
    "postgresql-ubuntu-22.04": {"system": "ubuntu-22.04"},
    "postgresql-ubuntu-24.04": {"system": "ubuntu-24.04"},
    "postgresql-one-gigabyte": {"memory": 960 * MIB, "cores": 1},
    "postgresql-24-gigabytes-8-cores": {"memory": 24 * GIB, "cores": 8},
    "postgresql-postgis-and-vectors": {"facts": GIS, "versions": {"django": "5.2", "pgvector": "0.4"}},
}


def described(**case):
    return PostgreSQL().describe(shop_placement(**case))


def text_of(descriptions, ending):
    return next(f.content for d in descriptions for f in d.files if f.path.endswith(ending))


def words_of(descriptions):
    return [str(a.command) for d in descriptions for a in d.actions]


@pytest.mark.parametrize("case", CASES)
def test_it_describes(case, golden):
    compare_disk(golden, case, described(**CASES[case]))


def test_where_others_have_databases_they_keep_their_port():
    placement = shop_placement()
    shared = replace(placement.machine, facts={"databases": ("postgresql accounts",)})
    described = PostgreSQL().describe(replace(placement, machine=shared))
    assert "listen_addresses" not in text_of(described, "nuages-start.conf")
    assert "shared_buffers" in text_of(described, "nuages-start.conf")


def test_nothing_listens_on_a_port():
    assert "listen_addresses = ''" in text_of(described(), "nuages-start.conf")
    assert not [port for d in described() for port in d.ports]


def test_what_needs_a_restart_stands_apart_from_what_is_read_again():
    """A change of the first interrupts every site of the host."""
    start, settings = text_of(described(), "nuages-start.conf"), text_of(described(), "conf.d/nuages.conf")
    needs_restart = {"shared_buffers", "max_connections", "listen_addresses"}
    names = lambda text: set(re.findall(r"^(\w+) =", text, re.MULTILINE))  # noqa: E731
    assert names(start) == needs_restart
    assert not names(settings) & needs_restart
    units = [unit for d in described() for unit in d.units]
    assert [(unit.reload, bool(unit.interrupts)) for unit in units] == [(False, True), (True, False)]


def test_settings_of_the_host_are_the_same_for_every_site_on_it():
    """Two sites that wanted different ones would take turns in restarting the database."""
    shop, blog = described(name="shop"), described(name="blog")
    assert [d for d in shop if d.scope == "host"] == [d for d in blog if d.scope == "host"]


def test_a_site_of_another_name_has_names_of_its_own_that_are_quoted():
    (site,) = [d for d in described(name="my-shop") if d.scope == "site"]
    assert site.exports == {"DATABASE_URL": "postgresql://my-shop@/my-shop?host=/var/run/postgresql"}
    assert any('CREATE ROLE "my-shop" LOGIN' in words for words in words_of([site]))


def test_role_and_database_are_of_the_site_and_go_only_with_its_data():
    (site,) = [d for d in described() if d.scope == "site"]
    undone = [a for a in site.actions if a.undo]
    assert [a.key for a in undone] == ["postgresql-role-shop", "postgresql-database-shop"]
    assert all(a.erases and a.user == "postgres" for a in undone)


def test_rules_are_asked_again_when_they_change():
    small, large = ([a.key for d in described(memory=m) for a in d.actions if "rules" in a.key] for m in (GIB, 24 * GIB))
    assert small != large


def test_postgis_gets_its_scheme_its_package_and_its_extension():
    (site,) = [d for d in described(facts=GIS) if d.scope == "site"]
    assert site.exports["DATABASE_URL"].startswith("postgis://")
    assert site.packages == ("postgresql-17-postgis-3",)
    assert 'CREATE EXTENSION IF NOT EXISTS "postgis"' in words_of([site])[-1]


def test_a_system_that_is_not_known_is_told_with_the_way_out(monkeypatch):
    monkeypatch.setitem(SYSTEMS, "void", ("void", "1"))
    with pytest.raises(HostError, match="no PostgreSQL is known for void 1") as error:
        described(system="void")
    assert "services.database" in error.value.hint
