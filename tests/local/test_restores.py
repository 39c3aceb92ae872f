"""Dumps and restores of a live site on this machine: whatever happens on the way, it has the old data or the new."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from live_site import a_site, eventually
from postgres import postgresql
from shipped_dataside import archive


pytestmark = pytest.mark.local

FULL = os.environ.get("NUAGES_FULL")
ENGINES = ["sqlite", "postgresql"]
on_either = pytest.mark.parametrize("shop", ENGINES if FULL else ENGINES[:1], indirect=True, scope="module")
MOMENTS = [(2, 0.3), (3, 0.4), (1, 0.5), (1, 0.0), (3, 0.0), (3, 0.2), (3, 0.6), (3, 0.8), (3, 1.0)]  # step, seconds into it
SECOND = """
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("books", "0001_initial")]
    operations = [migrations.AddField("Book", "pages", models.IntegerField(null=True))]
"""


@pytest.fixture(scope="module")
def cluster():
    with postgresql() as server:
        server.sql("postgres", "CREATE ROLE shop LOGIN CREATEDB")
        server.sql("postgres", "CREATE DATABASE shop OWNER shop")
        yield server


@pytest.fixture(scope="module", params=ENGINES)
def shop(request, tmp_path_factory):
    with a_site(tmp_path_factory.mktemp(request.param)) as site:
        if request.param == "postgresql":
            server = request.getfixturevalue("cluster")
            site.nuages("config", "set", f"DATABASE_URL=postgresql://shop@127.0.0.1:{server.port}/shop")
        site.up()
        yield site


def books(site):
    return json.loads(site.get("/books"))


def add(site, title):
    answer = subprocess.run(
        ["curl", "-sf", "-d", f"title={title}", f"{site.url}/books"], capture_output=True, text=True, check=True
    )
    return json.loads(answer.stdout)


def kept(site):
    return [row["name"] for row in json.loads(site.nuages("db", "list", "--json").stdout)["kept"]]


def scratch(site):
    return [row["name"] for row in json.loads(site.nuages("db", "list", "--json").stdout)["kept"] if row["scratch"]]


def descendants(pid):
    """It and all that it started, in whatever session, the youngest first."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, IndexError):
            fields = entry.read_text().rpartition(")")[2].split()
            children.setdefault(int(fields[1]), []).append(int(entry.parent.name))
    found = [pid]
    for one in found:
        found += children.get(one, [])
    return found[::-1]


def killed_in_step(site, dump, number, after):
    """Run a restore, and kill it with everything that it started `after` seconds into its step `number`."""
    client = site.start_nuages("db", "restore", dump, "--yes", "--json")
    begun = 0
    for line in client.stdout:
        begun += json.loads(line)["event"] == "begin"
        if begun == number:
            time.sleep(after)
            for pid in descendants(client.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            break
    client.communicate()
    return client.returncode


def test_a_dump_of_this_machine_goes_back_and_what_it_replaced_can_come_back(shop, tmp_path):
    before = add(shop, "one")
    shop.nuages("db", "backup", tmp_path / "shop.tar")
    after = add(shop, "two")
    shop.nuages("db", "restore", tmp_path / "shop.tar", said="shop\n")
    assert books(shop) == before
    assert add(shop, "three") == [*before, "three"]  # sequences go on
    shop.nuages("db", "restore", "--undo", "--yes")
    assert books(shop) == after
    shop.nuages("db", "drop", *kept(shop), "--yes")
    assert kept(shop) == []


@pytest.mark.parametrize(("step", "after"), MOMENTS if FULL else MOMENTS[:2])
def test_a_restore_that_is_killed_half_way_leaves_the_site_on_its_old_data(shop, tmp_path, step, after):
    old = add(shop, "kept")
    shop.nuages("db", "backup", tmp_path / "shop.tar")
    live = add(shop, "newer")
    killed_in_step(shop, tmp_path / "shop.tar", step, after)
    shop.nuages("maintenance", "off")  # its page may be up: nothing was left to take it down
    found = eventually(lambda: books(shop))
    assert found == live or (step == 3 and found == old)  # the last step: all of it or nothing
    shop.nuages("db", "restore", tmp_path / "shop.tar", "--yes")
    assert books(shop) == old
    assert scratch(shop) == []
    shop.nuages("db", "drop", *kept(shop), "--yes")


def test_a_dump_that_does_not_hold_what_it_says_changes_nothing(shop, tmp_path):
    live = add(shop, "live")
    dump = tmp_path / "shop.tar"
    shop.nuages("db", "backup", dump)
    with archive.opened(str(dump)) as (manifest, stream):
        content, member = stream.read(), "database.dump" if manifest["engine"] == "postgresql" else "database.sqlite3"
    table = next(name for name in manifest["tables"] if name.endswith("books_book"))
    with archive.Writer(str(dump), member) as writer:
        writer.take(io.BytesIO(content))
        writer.finish({**manifest, "tables": {**manifest["tables"], table: manifest["tables"][table] + 1}})
    told = shop.refused("db", "restore", dump, "--yes")
    assert "not what the dump held" in told
    assert "books_book" in told
    assert books(shop) == live
    assert kept(shop) == []


@on_either
def test_a_damaged_dump_and_something_else_are_refused_by_name(shop, tmp_path):
    live = books(shop)
    (tmp_path / "photo.tar").write_bytes(b"no tar at all" * 100)
    assert "no dump of Nuages" in shop.refused("db", "restore", tmp_path / "photo.tar", "--yes")
    assert "no file and no dump called yesterday" in shop.refused("db", "restore", "yesterday", "--yes")
    assert books(shop) == live


@on_either
def test_nothing_is_replaced_by_a_slip(shop, tmp_path):
    shop.nuages("db", "backup", tmp_path / "shop.tar")
    live = books(shop)
    assert "nothing was changed" in shop.refused("db", "restore", tmp_path / "shop.tar", said="shopp\n")
    assert "nothing was changed" in shop.refused("db", "restore", tmp_path / "shop.tar", said="\n")
    assert books(shop) == live
    assert kept(shop) == []


@on_either
def test_a_dump_of_older_code_waits_for_its_migrations_and_one_of_newer_code_for_its_release(shop, tmp_path):
    """Last: it deploys."""
    add(shop, "old")
    shop.nuages("db", "backup", tmp_path / "old.tar")
    shop.write(**{"books/migrations/0002_pages.py": SECOND, "books/models.py": MODELS_WITH_PAGES}).release()
    shop.nuages("db", "backup", tmp_path / "new.tar")
    told = shop.refused("db", "restore", tmp_path / "old.tar", "--yes")
    assert "older than the live release" in told
    assert "books.0002_pages" in told
    assert "1 migrations were run on it" in shop.nuages("db", "restore", tmp_path / "old.tar", "--migrate", "--yes").stdout
    assert add(shop, "goes on")[-1] == "goes on"
    shop.write(**{"books/migrations/0002_pages.py": None, "books/models.py": MODELS_AS_BEFORE}).nuages(
        "up", "--detach", "--no-check"
    )
    told = shop.refused("db", "restore", tmp_path / "new.tar", "--yes")
    assert "newer code" in told
    assert "books.0002_pages" in told


MODELS_AS_BEFORE = """
from django.db import models


class Book(models.Model):
    title = models.CharField(max_length=200)
"""
MODELS_WITH_PAGES = MODELS_AS_BEFORE + "    pages = models.IntegerField(null=True)\n"
