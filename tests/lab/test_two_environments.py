"""Staging beside production on one server, and what is proved there promoted: to the same server, and to another."""

from __future__ import annotations

import copy
import json

import pytest
from deployed import Deployed


STAGING = """
[env.staging]
domains = ["staging.shop.example"]
[env.elsewhere]
domains = ["elsewhere.example"]
[env.elsewhere.hosts.{host.name}]
address = "{host.address}"
ssh_config = "{ssh_config}"
"""
ACCOUNTS = ("shop", "shop-staging")


@pytest.fixture(scope="module")
def shop(lab, tmp_path_factory):
    one, two = lab.up("web-1", "web-2", disk="4G")
    shop = Deployed(tmp_path_factory.mktemp("two"), one, tables=STAGING.format(host=two, ssh_config=lab.ssh_config))
    shop.two = two
    shop.nuages("deploy")
    yield shop
    lab.down("web-1", "web-2")


@pytest.fixture(scope="module")
def staging(shop):
    """The same project, a version further."""
    shop.project.version(2)
    shop.nuages("-e", "staging", "config", "set", "WORD=of-staging")
    shop.nuages("deploy", "-e", "staging")
    return beside(shop, "shop-staging", "staging.shop.example", shop.host)


def beside(shop, name, domain, host):
    """The same project as it lives in another environment."""
    other = copy.copy(shop)
    other.name, other.home, other.domain, other.host, other.hosts = name, f"/srv/{name}", domain, host, (host,)
    other.folder = shop.folder / name
    other.folder.mkdir()
    return other


def build_of(host, site):
    return json.loads(host.must(f"cat /srv/{site}/live/release.json"))["build"]


@pytest.mark.timeout(1500)
def test_each_has_its_own_processes_data_and_secrets(shop, staging):
    assert (shop.version(), staging.version()) == ("1", "2")
    staging.get("/books", {"title": "of staging"})
    assert "of staging" not in shop.get("/books").body
    assert "WORD" not in shop.nuages("config").stdout
    host = shop.host
    for mine, other in (ACCOUNTS, ACCOUNTS[::-1]):
        for path in ("config", "live/env.json", "current/source/manage.py", "run/generations"):
            assert host.run("runuser", "-u", mine, "--", "ls", f"/srv/{other}/{path}").status, (mine, path)
        assert host.run("runuser", "-u", mine, "--", "psql", "-c", "select 1", other).status, mine
        assert host.must("runuser", "-u", mine, "--", "psql", "-Atc", "select current_user", mine).strip() == mine
    units = host.must("systemctl list-units --plain --no-legend --state=active 'shop*@*.service'")
    assert "shop-web@" in units
    assert "shop-staging-web@" in units


@pytest.mark.timeout(1500)
def test_what_is_proved_in_staging_goes_live_without_being_built_again(shop, staging):
    build = build_of(shop.host, "shop-staging")
    shop.project.version(3)  # what lies in the folder meanwhile is of no account
    with shop.traffic() as seen:
        shop.nuages("promote", "staging", "production")
    assert not seen.lost, seen
    assert shop.version() == "2"
    live = json.loads(shop.host.must("cat /srv/shop/live/release.json"))
    assert (live["build"], live["why"]) == (build, "promoted from staging v1")
    assert json.loads(shop.host.must("cat /srv/shop/current/manifest.json"))["environment"].startswith("/srv/shop/")
    assert "shop-staging" not in shop.host.must("cat /srv/shop/live/policy.json")
    leads = shop.host.must("find -P /srv/shop/current/ -type l -printf '%l\n'; head -qn1 /srv/shop/venvs/*/bin/granian")
    assert "shop-staging" not in leads

    left = shop.left_over()
    assert not any(unit for unit in left.pop("units") if not unit.startswith("shop-staging-"))
    assert not any(left.values()), left


@pytest.mark.timeout(1500)
def test_another_server_that_never_saw_it_takes_it_too(shop, staging):
    said = shop.nuages("promote", "staging", "elsewhere").stdout
    assert "v1 is live" in said
    assert build_of(shop.two, "shop-elsewhere") == build_of(shop.host, "shop-staging")
    assert shop.two.must("ls /srv/shop-elsewhere").split().count("promoted") == 0
    there = beside(shop, "shop-elsewhere", "elsewhere.example", shop.two)
    assert there.version() == "2"


def test_what_can_not_be_promoted_is_told(shop, staging):
    assert "no environment called 'live'" in shop.refused("promote", "live", "production")
    assert "from which environment?" in shop.refused("promote")
