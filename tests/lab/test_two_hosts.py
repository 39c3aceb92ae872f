"""A site on two hosts, its database on a third: all are prepared before any switches, and one that fails stops both."""

from __future__ import annotations

import pytest
from deployed import Deployed, eventually
from live_site import FULL

from nuages.lab.faults import FillDisk, FreeDisk


pytestmark = pytest.mark.skipif(not FULL, reason="three hosts take minutes: NUAGES_FULL=1")
DATABASE = """
export DEBIAN_FRONTEND=noninteractive
apt-get install -y -q --no-install-recommends postgresql >/dev/null
conf=$(ls -d /etc/postgresql/*/main)
echo "listen_addresses = '*'" > $conf/conf.d/lab.conf
echo "host shop shop 198.18.0.0/15 scram-sha-256" >> $conf/pg_hba.conf
systemctl restart postgresql
runuser -u postgres -- psql -qc "create role shop login password 'between-hosts'" -c "create database shop owner shop"
"""


@pytest.fixture(scope="module")
def shop(lab, tmp_path_factory):
    one, two, database = lab.up("web-1", "web-2", "db-1", disk="4G")
    database.must(DATABASE, timeout=400)
    shop = Deployed(tmp_path_factory.mktemp("two"), one, two, more='[services]\ndatabase = "none"\ncache = "none"')
    shop.nuages("config", "set", f"DATABASE_URL=postgresql://shop:between-hosts@{database.address}/shop")
    shop.nuages("deploy")
    yield shop
    lab.down("web-1", "web-2", "db-1")


def versions(shop):
    return [shop.get("/version", host=host).body for host in shop.hosts]


@pytest.mark.timeout(1500)
def test_both_answer_with_the_same_release_and_rows(shop):
    assert versions(shop) == ["1", "1"]
    shop.get("/books", {"title": "for both"}, host=shop.hosts[0])
    assert "for both" in shop.get("/books", host=shop.hosts[1]).body
    shop.bring("2")
    assert versions(shop) == ["2", "2"]


@pytest.mark.timeout(1500)
def test_one_that_fails_means_that_none_switches(shop):
    before = versions(shop)
    shop.hosts[1].fault(FillDisk())
    shop.project.version("not to be")
    said = shop.refused()
    assert shop.hosts[1].name in said, said
    assert versions(shop) == before
    shop.hosts[1].fault(FreeDisk())
    shop.release()
    assert eventually(lambda: versions(shop)) == ["not to be"] * 2
