"""The data of a site on this machine: a scrubbed pull holds nobody, a conversion that fails leaves the site as it was."""

from __future__ import annotations

import sqlite3
import time

import pytest
from live_site import a_site
from people import CANARY, add_people, plant
from postgres import postgresql


pytestmark = pytest.mark.local


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with a_site(tmp_path_factory.mktemp("data")) as site:
        add_people(site.root)
        toml = site.root / "nuages.toml"
        toml.write_text(toml.read_text().replace('"people.Customer.nicknames" = "hash"\n', ""))  # a column of PostgreSQL's
        site.up()
        site.nuages("manage", "shell", "-c", plant(300))
        yield site


def database(site):
    return site.state / "shared" / "data" / "db.sqlite3"


def test_nothing_of_anybody_is_in_a_scrubbed_file(site, tmp_path):
    site.nuages("manage", "shell", "-c", "from django.db import connection; connection.cursor().execute('ANALYZE')")
    site.nuages("db", "pull", "--to", tmp_path / "it.sqlite3")
    raw = (tmp_path / "it.sqlite3").read_bytes()
    assert CANARY.encode() not in raw
    with sqlite3.connect(tmp_path / "it.sqlite3") as db:
        assert db.execute("SELECT count(DISTINCT email), count(DISTINCT phone) > 1 FROM people_customer").fetchone() == (300, 1)
        assert db.execute(
            "SELECT count(*) FROM people_order o JOIN people_customer c ON c.email = o.customer_email"
        ).fetchone() == (150,)
        assert db.execute("SELECT count(*) FROM people_letter").fetchone() == (0,)
        assert db.execute("SELECT count(*) FROM sqlite_master WHERE type = 'trigger'").fetchone() == (1,)
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_what_looks_personal_and_is_undeclared_is_named(site):
    toml = site.root / "nuages.toml"
    kept = toml.read_text()
    toml.write_text(kept.replace('"people.Customer.phone" = "phone"\n', "").replace("[scrub]", "[scrub]\nstrict = true"))
    told = site.refused("db", "pull", "--to", "it.tar")
    toml.write_text(kept)
    assert '"people.Customer.phone" = "phone"' in told
    assert "nothing was copied" in told
    assert not (site.root / "it.tar").exists()


def test_a_pulled_dump_goes_back_and_what_it_replaces_is_kept(site, tmp_path):
    site.nuages("db", "pull", "--to", tmp_path / "it.tar")
    told = site.nuages("db", "push", tmp_path / "it.tar", "--yes").stdout
    assert "nuages db restore --undo" in told
    asked = "from people.models import Customer; print(Customer.objects.filter(email__contains='canary').count())"
    assert site.nuages("manage", "shell", "-v", "0", "-c", asked).stdout.strip() == "0"
    site.nuages("db", "restore", "--undo", "--yes")
    assert site.nuages("manage", "shell", "-v", "0", "-c", asked).stdout.strip() == "300"


def test_a_conversion_that_fails_leaves_the_site_on_its_old_database(site):
    with postgresql() as server:
        server.sql("postgres", "CREATE ROLE weak LOGIN; REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        server.sql("postgres", "CREATE DATABASE denied")
        server.sql("denied", "REVOKE CREATE ON SCHEMA public FROM PUBLIC; GRANT CONNECT ON DATABASE denied TO weak")
        url = f"postgres://weak@127.0.0.1:{server.port}/denied"
        told = site.refused("db", "convert", "--to", url, "--yes")
        assert "permission denied" in told
        assert "v1 still serves" in told
        site.nuages("manage", "shell", "-c", "from books.models import Book; Book.objects.create(title='still writes')")
        assert site.answer("/")[0] == 200


def test_a_live_site_moves_to_postgresql_and_the_old_database_takes_no_more_writes(site):
    with postgresql() as server:
        server.sql("postgres", "CREATE DATABASE moved")
        told = site.nuages("db", "convert", "--to", f"postgres://postgres@127.0.0.1:{server.port}/moved", "--yes").stdout
        assert "each value compared" in told
        time.sleep(1.1)  # each worker looks for the maintenance page once a second
        assert site.answer("/")[0] == 200
        assert server.sql("moved", "SELECT count(*) FROM people_customer") == "300"
        assert server.sql("moved", "SELECT count(*) FROM people_audit") == "100"  # its rows, and none that a trigger would add
        with sqlite3.connect(database(site)) as db, pytest.raises(sqlite3.IntegrityError, match="has been moved"):
            db.execute("INSERT INTO books_book (title) VALUES ('late')")
        site.nuages("down")
