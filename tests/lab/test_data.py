"""Data moves between servers, laptops and engines, and people's own never leaves: on real hosts, with 100,000 of them."""

from __future__ import annotations

import shlex
import sqlite3
import subprocess
import tarfile

import pytest
from deployed import Deployed, eventually
from people import CANARY, add_people, plant


COUNT = 100_000
STAGING = """
[env.staging]
domains = ["staging.shop.example"]
"""
CRON = """
[[cron]]
name = "tidy"
command = "sh -c 'date +%s >> /srv/shop-staging/shared/data/tidied'"
at = "* * * * *"
"""


class People(Deployed):
    """The shop with its people."""

    def sql(self, text, database="shop"):
        return self.host.must(f"runuser -u postgres -- psql -XAtq -d {database} -c {shlex.quote(text)}").strip()

    def python(self, code, *words):
        return self.nuages(*words, "manage", "shell", "-v", "0", "-c", code).stdout.strip()

    def text_of(self, dump):
        """The whole of a dump as SQL, by the host's own pg_restore: the dump is of its version."""
        with dump.open("rb") as file:
            self.host.must("rm -f /tmp/it.dump")
            self.host_write("/tmp/it.dump", file.read())
        return self.host.must(f"pg_restore -f - /tmp/it.dump | grep -ac {CANARY} || true").strip()

    def host_write(self, path, content):
        done = subprocess.run(
            ["ssh", "-F", str(self.host.ssh_config), self.host.name, f"cat > {path}"],
            input=content,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def shop(lab, tmp_path_factory):
    (host,) = lab.up("data-1", disk="8G")
    shop = People(tmp_path_factory.mktemp("data"), host, jobs=True, tables=CRON + STAGING)
    add_people(shop.root)
    shop.nuages("deploy")
    shop.nuages("manage", "shell", "-c", plant(COUNT))
    return shop


def test_a_scrubbed_pull_of_100000_people_holds_none_of_them(shop, tmp_path):
    assert shop.sql(f"SELECT count(*) FROM people_customer WHERE email LIKE '{CANARY}%'") == str(COUNT)
    shop.nuages("db", "pull", "--to", tmp_path / "it.dump")
    assert CANARY.encode() not in (tmp_path / "it.dump").read_bytes()
    assert shop.text_of(tmp_path / "it.dump") == "0"
    left = shop.sql("SELECT datname FROM pg_database WHERE datname LIKE 'shop-%'", "postgres")
    assert not left
    assert not shop.host.must("ls /srv/shop/run/scrub /srv/shop/backups/dumps/* 2>/dev/null || true").strip()


def test_a_scrubbed_pull_into_sqlite_holds_none_of_them_and_everything_else(shop, tmp_path):
    shop.nuages("db", "pull", "--to", tmp_path / "it.sqlite3")
    assert CANARY.encode() not in (tmp_path / "it.sqlite3").read_bytes()
    with sqlite3.connect(tmp_path / "it.sqlite3") as db:
        assert db.execute("SELECT count(DISTINCT email), sum(plan = 'paid') > 0 FROM people_customer").fetchone() == (COUNT, 1)
        joined = "SELECT count(*) FROM people_order o JOIN people_customer c ON c.email = o.customer_email"
        assert db.execute(joined).fetchone() == (COUNT // 2,)


def test_a_scrub_that_is_killed_leaves_its_copy_to_the_next_run_which_removes_it(shop, tmp_path):
    client = shop.started("db", "pull", "--to", tmp_path / "never.dump", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    eventually(lambda: "shop.scrub" in shop.sql("SELECT datname FROM pg_database", "postgres"))
    # As a power cut would: the program gets no chance to clear up.
    shop.host.must("kill -9 $(pgrep -f '[s]crub.py')")
    client.wait(60)
    assert not (tmp_path / "never.dump").exists()
    shop.nuages("db", "pull", "--to", tmp_path / "it.dump")
    assert "shop.scrub" not in shop.sql("SELECT datname FROM pg_database", "postgres")


def test_a_raw_pull_is_in_the_audit_log(shop, tmp_path):
    shop.nuages("db", "pull", "--raw", "--to", tmp_path / "it.tar", "--yes")
    assert "nuages db pull --raw" in shop.nuages("audit").stdout
    with tarfile.open(tmp_path / "it.tar") as tar:
        assert tar.getnames() == ["database.dump", "manifest.json"]
    assert (tmp_path / "it.tar").stat().st_mode & 0o777 == 0o600


def test_staging_gets_nobody_sends_no_mail_and_runs_nothing_by_the_clock(shop):
    shop.nuages("-e", "staging", "deploy")
    told = shop.nuages("db", "copy", "production", "staging", "--yes").stdout
    assert "nuages -e staging quiet off" in told
    staging = "shop-staging"
    assert shop.sql("SELECT count(*) FROM people_customer", staging) == str(COUNT)
    assert (
        shop.sql(f"SELECT count(*) FROM people_customer WHERE email LIKE '%{CANARY}%' OR bio LIKE '%{CANARY}%'", staging) == "0"
    )
    send = "from django.core.mail import send_mail; send_mail('hello', 'you', 'a@b.example', ['c@d.example'])"
    shop.python(send, "-e", "staging")
    assert "hello" in shop.host.must("cat /srv/shop-staging/shared/data/unsent-mail/*")
    units = shop.host.must("systemctl list-units --all --plain --no-legend 'shop-staging-*'")
    assert "shop-staging-worker@" in units
    assert "shop-staging-beat@" not in units
    assert "shop-staging-cron" not in units
    shop.nuages("-e", "staging", "quiet", "off")
    units = shop.host.must("systemctl list-units --all --plain --no-legend 'shop-staging-*'")
    assert "shop-staging-beat@" in units
    assert "shop-staging-cron-tidy.timer" in units


def test_a_live_site_on_sqlite_moves_to_postgresql(lab, tmp_path):
    (host,) = lab.up("data-2", disk="4G")
    shop = People(tmp_path, host, jobs=True, tables='\n[services]\ndatabase = "sqlite"\n')
    add_people(shop.root)
    toml = shop.root / "nuages.toml"
    toml.write_text(toml.read_text().replace('"people.Customer.nicknames" = "hash"\n', ""))
    shop.nuages("deploy")
    shop.nuages("manage", "shell", "-c", plant(5_000))
    try:
        # Half-way: the copy is killed when it has begun.
        client = shop.started("db", "convert", "--to", "postgresql", "--yes", stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        eventually(lambda: host.run("pgrep -f '[c]rossing.py.*move'").ok, within=400)
        host.must("kill -9 $(pgrep -f '[c]rossing.py.*move')")
        told = client.communicate(timeout=300)[0]
        assert client.returncode == 1
        assert "v1 still serves" in told
        assert shop.get().status == 200
        shop.python("from books.models import Book; Book.objects.create(title='still writes')")
        assert "worker@v1" in host.must("systemctl list-units --plain --no-legend --state=active 'shop-worker@*'")
        told = shop.nuages("db", "convert", "--to", "postgresql", "--yes").stdout
        assert "each value compared" in told
        assert 'database = "postgresql"' in toml.read_text()
        assert shop.sql("SELECT count(*) FROM people_customer") == "5000"
        assert shop.sql("SELECT count(*) FROM books_book WHERE title = 'still writes'") == "1"
        assert shop.get("/books", {"title": "new"}).status == 200
        shop.release()
        assert shop.python("from django.db import connection; print(connection.vendor)") == "postgresql"
        shop.in_order()
    finally:
        lab.down("data-2")
