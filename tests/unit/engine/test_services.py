"""What a server's services give to the site."""

import pytest

from nuages.components.contract import Machine
from nuages.engine.services import exports_of, refuse_many_databases, with_exports
from nuages.errors import TopologyError
from nuages.testing import shop_config, shop_topology
from nuages.topology.model import Host, Services


HERE = Machine(os="debian", os_version="13")
ONE, TWO = (Host("web-1"),), (Host("web-1"), Host("web-2"))


def test_a_site_on_this_machine_gets_no_services():
    assert exports_of(shop_topology(), HERE, {}) == {}


def test_on_a_server_database_and_cache_are_given_without_a_password():
    exports = exports_of(shop_topology(hosts=ONE), HERE, {})
    assert exports["DATABASE_URL"] == "postgresql://shop@/shop?host=/var/run/postgresql"
    assert exports["CACHE_URL"].startswith("unix:///run/shop-cache/")


def test_what_the_user_sets_wins():
    config = with_exports(shop_config(env={"DATABASE_URL": "postgresql://mine"}), {"DATABASE_URL": "ours", "CACHE_URL": "ours"})
    assert config.env == {"DATABASE_URL": "postgresql://mine", "CACHE_URL": "ours"}


@pytest.mark.parametrize("database", ["postgresql", "sqlite"])
def test_several_hosts_with_a_database_each_are_refused(database):
    topology = shop_topology(hosts=TWO, services=Services(database=database))
    with pytest.raises(TopologyError, match="on each of 2 hosts"):
        refuse_many_databases(topology, shop_config())


def test_several_hosts_with_one_database_elsewhere_are_fine():
    refuse_many_databases(shop_topology(hosts=TWO, services=Services(database="none")), shop_config())
    refuse_many_databases(shop_topology(hosts=TWO), shop_config(env={"DATABASE_URL": "postgresql://db-1/shop"}))
