"""Environments: the same file, read with what one of them says put over the rest."""

import os

import pytest

from nuages.errors import TopologyError
from nuages.topology import load_topology


TEXT = """
name = "shop"
domains = ["shop.example"]
port = 8100
protected = true
[scale]
web = 4
worker = 2
[hosts.web-1]
address = "192.0.2.11"
[tls]
certificate = "local-ca"
email = "ops@shop.example"
[env.staging]
domains = ["staging.shop.example"]
[env.staging.scale]
web = 1
[env.staging.tls]
certificate = "none"
[env.review]
[env.review.hosts.review-1]
address = "192.0.2.99"
"""


@pytest.fixture
def load(tmp_path):
    def read(text, environment=""):
        (tmp_path / "nuages.toml").write_text(text)
        return load_topology(tmp_path, environment)

    return read


def test_production_is_the_file_without_its_environments(load):
    topology = load(TEXT)
    assert (topology.name, topology.environment, topology.domains) == ("shop", "production", ("shop.example",))
    assert topology.environments == ("production", "staging", "review")
    assert topology == load(TEXT, "production")


def test_an_environment_has_what_it_says_over_the_rest(load):
    topology = load(TEXT, "staging")
    assert (topology.name, topology.account, topology.domains) == ("shop-staging", "shop-staging", ("staging.shop.example",))
    assert topology.scale == {"web": 1, "worker": 2}
    assert (topology.tls.certificate, topology.tls.email) == ("none", "ops@shop.example")
    assert [host.address for host in topology.hosts] == ["192.0.2.11"]


def test_hosts_are_replaced_as_a_whole(load):
    assert [host.name for host in load(TEXT, "review").hosts] == ["review-1"]


def test_names_ports_and_protection_are_never_taken_over(load):
    topology = load(TEXT, "review")
    assert (topology.domains, topology.port, topology.protected) == ((), 0, False)
    assert load(TEXT).protected


def test_two_environments_of_a_long_name_are_two_accounts(load):
    text = f'name = "{"a" * 48}"\n[hosts.web-1]\n[env.staging]\n[env.stage]\n'
    accounts = {load(text, each).account for each in ("production", "staging", "stage")}
    names = {load(text, each).name for each in ("production", "staging", "stage")}
    assert len(accounts) == len(names) == 3
    assert all(len(account) <= 31 for account in accounts)


def test_production_may_have_a_table_too(load):
    assert load(TEXT + "[env.production]\nkeep = 9\n").keep == 9


@pytest.mark.parametrize(
    ("text", "environment", "where"),
    [
        ("[env.staging.serve]\nserver = 'granain'\n", "production", "env.staging.serve.server"),
        ("[env.staging]\ndomain = []\n", "production", "env.staging.domain"),
        ("[env.staging.scale]\nweb = 'many'\n", "production", "env.staging.scale.web"),
        ("[env.staging.env.more]\n", "production", "env.staging.env"),
        ("[env.Staging]\n", "production", "env.Staging"),
        ("env = 3\n", "production", "env"),
        ("[env]\nstaging = 3\n", "production", "env.staging"),
        ("", "staging", "env.staging"),
    ],
)
def test_an_error_names_its_place(load, text, environment, where):
    with pytest.raises(TopologyError) as raised:
        load(text, environment)
    assert raised.value.where == where


def test_without_a_file_there_is_production_alone(tmp_path):
    assert load_topology(tmp_path).environment == "production"
    with pytest.raises(TopologyError, match="no environment called 'staging'"):
        load_topology(tmp_path, "staging")


def test_the_chosen_one_is_that_of_the_shell(load, monkeypatch):
    monkeypatch.setitem(os.environ, "NUAGES_ENV", "staging")
    assert load(TEXT).environment == "staging"
    assert load(TEXT, "production").environment == "production"
