"""Changes of the database on a server while visitors read and write: nobody sees an error, or it is stopped before."""

from __future__ import annotations

import re
import threading

import pytest
from deployed import Deployed
from live_site import FULL


ROWS = 1_000_000 if FULL else 200_000
RENAME = """
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("books", "0001_initial")]
    operations = [migrations.RenameField("Book", "title", "name")]
"""
HALF = """
from django.db import migrations, models


def fails(apps, schema_editor):
    raise ValueError("half of it")


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("books", "0002_rename")]
    operations = [migrations.AddField("Book", "pages", models.IntegerField(null=True)), migrations.RunPython(fails)]
"""
GROW = """
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("books", "0002_rename")]
    operations = [
        migrations.AddField("Book", "shelf", models.IntegerField(default=7)),
        migrations.AddIndex("Book", models.Index(fields=["name"], name="book_name")),
    ]
"""


@pytest.fixture(scope="module")
def store(shared_shop, tmp_path_factory):
    """A second site on the shop's host."""
    store = Deployed(tmp_path_factory.mktemp("store"), shared_shop.host, name="store", domain="store.example")
    store.nuages("deploy")
    yield store
    store.nuages("destroy", "--yes", "store", "--with-data")


class Writers:
    """One after the other they add a book; the statuses of the answers."""

    def __init__(self, store):
        self.store, self.met, self.enough = store, [], threading.Event()
        self.thread = threading.Thread(target=self.write, daemon=True)

    def write(self):
        while not self.enough.wait(0.05):
            self.met.append(self.store.get("/books", {"title": "written meanwhile"}).status)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_error):
        self.enough.set()
        self.thread.join(60)


def renamed(store):
    views, models = ((store.root / path).read_text() for path in ("books/views.py", "books/models.py"))
    store.project.write(
        **{
            "books/migrations/0002_rename.py": RENAME,
            "books/models.py": models.replace("    title =", "    name ="),
            "books/views.py": views.replace("create(title=", "create(name=").replace('values_list("title"', 'values_list("name"'),
        }
    )


@pytest.mark.timeout(1200)
def test_a_rename_is_stopped_with_the_reason_or_goes_behind_the_maintenance_page(store):
    renamed(store)
    with store.traffic() as seen, Writers(store) as writers:
        said = store.refused()
    assert re.search("0002_rename", said), said
    assert seen.lost == 0, seen
    assert set(writers.met) == {200}

    store.toml(tables='[migrations]\npolicy = "maintenance"\n')
    with store.traffic(expect=(200, 503)) as seen, Writers(store) as writers:
        store.bring("renamed")
    assert seen.lost == 0, seen
    assert set(writers.met) <= {200, 503}, set(writers.met)
    assert "written meanwhile" in store.get("/books").body
    store.in_order()


@pytest.mark.timeout(1200)
def test_a_migration_that_is_not_atomic_and_fails_half_way_leaves_a_site_that_answers(store):
    store.toml(tables='[migrations]\npolicy = "any"\n')
    store.release()
    with store.traffic() as seen, Writers(store) as writers:
        store.project.write(**{"books/migrations/0003_half.py": HALF})
        said = store.refused()
        store.project.write(**{"books/migrations/0003_half.py": None})
        store.bring("without it")

    assert re.search("half of it", said), said
    assert seen.lost == 0, seen
    assert set(writers.met) == {200}
    store.in_order()


@pytest.mark.timeout(1800)
def test_a_large_table_grows_a_column_and_an_index_and_nobody_sees_an_error(store):
    fill = f"insert into books_book (name) select 'book ' || n from generate_series(1, {ROWS}) n"
    store.host.must("runuser", "-u", "store", "--", "psql", "-qXc", fill, timeout=300)
    models = (store.root / "books/models.py").read_text()
    grown = models.replace("    name = models.CharField(max_length=200)\n", "    name = models.CharField(max_length=200)\n    shelf = models.IntegerField(default=7)\n\n    class Meta:\n        indexes = [models.Index(fields=['name'], name='book_name')]\n", 1)  # fmt: skip
    store.project.write(**{"books/migrations/0003_grow.py": GROW, "books/models.py": grown})
    store.toml()
    with store.traffic() as seen, Writers(store) as writers:
        done = store.nuages("deploy", check=False)
    stopped = done.returncode == 1 and "0003_grow" in done.stderr
    assert done.returncode == 0 or stopped, done.stdout + done.stderr
    assert seen.lost == 0, seen
    assert set(writers.met) == {200}
    store.in_order()
