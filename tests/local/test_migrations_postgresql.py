"""Migrations beside a live release, on a real PostgreSQL."""

from __future__ import annotations

import contextlib
import json

import pytest
from postgres import postgresql
from toy import BOOK, BOOK_OPERATION, Toy

from nuages.migrations.judge import judge
from nuages.migrations.rehearsal import read_comparison, read_rehearsal


pytestmark = pytest.mark.local


@pytest.fixture(scope="module")
def server():
    with postgresql() as running:
        yield running


@pytest.fixture
def old(tmp_path, server, request):
    name = "toy_" + str(abs(hash(request.node.name)) % 10**8)
    toy = Toy(tmp_path / "old", server.database(name), server.python)
    toy.write(BOOK, m0001_initial=f"operations = [{BOOK_OPERATION}]").migrate()
    return toy


def judged(old, new, policy="safe"):
    report = new.ask("pending", "--skip-missing")
    fresh = new.ask("rehearse", "--scratch", str(new.folder.parent / "scratch"))
    schemas = str(new.folder.parent / f"{new.folder.name}-rehearse.json")
    rehearsal = read_rehearsal(fresh, old.ask("schema", "--compare", schemas))
    return judge(report, live=True, policy=policy, rehearsal=rehearsal)


def pages(old, tmp_path):
    return old.copy(tmp_path / "new").write(
        BOOK + "    pages = models.IntegerField(default=3)\n",
        m0002_pages='operations = [migrations.AddField("Book", "pages", models.IntegerField(default=3))]',
    )


def test_a_column_with_a_python_default_keeps_it_until_the_old_release_is_gone(old, tmp_path):
    new = pages(old, tmp_path)
    judgement = judged(old, new)
    assert [p.label for p in judgement.before] == ["shop.0002_pages"]
    assert "empty copy of the schema" in judgement.rehearsed
    kept = str(tmp_path / "kept.json")
    new.module("migrate", "--only", "shop.0002_pages", "--keep-defaults", kept)
    old.shell("Book.objects.create(title='a', isbn='1')")
    assert new.shell("print(Book.objects.get().pages)") == "3"
    assert "default dropped" in new.module("migrate", "--drop-defaults", kept).stdout
    assert "IntegrityError" in old.shell("Book.objects.create(title='b', isbn='2')", check=False)


def test_without_the_kept_default_the_old_release_could_not_insert(old, tmp_path):
    new = pages(old, tmp_path)
    new.module("migrate", "--only", "shop.0002_pages")
    assert "IntegrityError" in old.shell("Book.objects.create(title='a', isbn='1')", check=False)
    dump = new.ask("schema", "--dump")
    (tmp_path / "dump.json").write_text(json.dumps(dump))
    breaks = read_comparison(old.ask("schema", "--compare", str(tmp_path / "dump.json")))
    assert [(b.column, b.what_kind) for b in breaks] == [("pages", "unknown not null")]


def test_a_removed_column_is_relaxed_before_and_dropped_after_the_switch(old, tmp_path):
    new = old.copy(tmp_path / "new").write(
        "class Book(models.Model):\n    title = models.CharField(max_length=20)\n",
        m0002_isbn='operations = [migrations.RemoveField("Book", "isbn")]',
    )
    judgement = judged(old, new)
    assert [p.label for p in judgement.after] == ["shop.0002_isbn"]
    assert judgement.relax == ("shop.Book.isbn",)
    new.module("migrate", "--relax", "shop.Book.isbn")
    new.module("migrate", "--relax", "shop.Book.isbn")
    old.shell("Book.objects.create(title='a', isbn='1')")
    new.shell("Book.objects.create(title='b')")
    new.module("migrate", "--only", "shop.0002_isbn")
    assert new.shell("print(Book.objects.count())") == "2"


def test_a_rename_stops_the_deploy_and_says_how_to_keep_the_column(old, tmp_path):
    new = old.copy(tmp_path / "new").write(
        BOOK.replace("isbn", "code"),
        m0002_code='operations = [migrations.RenameField("Book", "isbn", "code")]',
    )
    judgement = judged(old, new)
    assert [p.label for p in judgement.stops] == ["shop.0002_code"]
    assert 'db_column="isbn"' in judgement.stops[0].hint


def test_a_copy_that_can_not_be_made_is_said(old, tmp_path, server):
    server.sql("postgres", "DROP ROLE IF EXISTS plain")
    server.sql("postgres", "CREATE ROLE plain LOGIN")
    server.sql(str(old.database["NAME"]), "GRANT ALL ON ALL TABLES IN SCHEMA public TO plain")
    new = pages(old, tmp_path)
    new.database = {**old.database, "USER": "plain"}
    assert "may not create databases" in new.ask("rehearse", "--scratch", str(tmp_path / "s"))["how"]


def test_a_rehearsal_leaves_no_database_behind(old, tmp_path, server):
    judged(old, pages(old, tmp_path))
    assert server.sql("postgres", "SELECT count(*) FROM pg_database WHERE datname LIKE 'nuages_rehearsal%'") == "0"


HOLD = """
import sys
import django; django.setup()
from django.db import connection, transaction
with transaction.atomic():
    connection.cursor().execute("LOCK TABLE shop_book IN ACCESS SHARE MODE")
    print("held", flush=True)
    sys.stdin.read()
"""


@contextlib.contextmanager
def held_lock(toy):
    """Until the block ends, or `release` is called."""
    holder = toy.start("-c", HOLD)
    try:
        assert holder.stdout.readline().strip() == "held"
        yield holder.stdin.close
    finally:
        holder.stdin.close()
        holder.wait()
        holder.stdout.close()


def test_a_lock_is_waited_for_briefly_then_tried_again(old, tmp_path):
    new = pages(old, tmp_path)
    with held_lock(old) as release:
        running = new.start("-m", "nuages_runtime.migrate", "--only", "shop.0002_pages", "--lock-timeout", "0.3")
        assert "waits for a lock, tries again" in running.stdout.readline()
        release()
        assert running.stdout.read().strip().splitlines()[-1].startswith("shop.0002_pages  ")
        running.stdin.close()
        running.stdout.close()
        assert running.wait() == 0


def test_a_migration_that_is_not_atomic_is_never_tried_again(old, tmp_path):
    new = old.copy(tmp_path / "new").write(
        BOOK,
        m0002_pages='atomic = False\noperations = [migrations.RunSQL("ALTER TABLE shop_book ADD COLUMN x integer")]',
    )
    with held_lock(old):
        result = new.module("migrate", "--only", "shop.0002_pages", "--lock-timeout", "0.3", check=False)
    assert result.returncode == 1
    assert "tries again" not in result.stdout
    answer = json.loads(result.stdout.strip().splitlines()[-1])
    assert answer["error"] == "shop.0002_pages failed"
    assert "not atomic" in answer["hint"]


def test_a_large_table_is_not_indexed_under_a_lock(old, tmp_path, server):
    name = str(old.database["NAME"])
    server.sql(name, "INSERT INTO shop_book (title, isbn) SELECT 'a', n FROM generate_series(1, 60000) n")
    server.sql(name, "ANALYZE shop_book")
    new = old.copy(tmp_path / "new").write(
        BOOK.replace(
            "title = models.CharField(max_length=20)",
            "title = models.CharField(max_length=20, db_index=True)",
        ),
        m0002_index='operations = [migrations.AlterField("Book", "title", models.CharField(max_length=20, db_index=True))]',
    )
    stopped = judged(old, new).stops
    assert stopped[0].verdict == "lock"
    assert "60,000 rows" in stopped[0].why
    assert "AddIndexConcurrently" in stopped[0].hint


def test_a_server_that_does_not_answer_is_named_without_the_password(old, tmp_path):
    old.database = {**old.database, "PORT": 1, "PASSWORD": "hush-hush"}
    error = old.ask("pending", "--skip-missing")["databases"]["default"]["error"]
    assert error["kind"] == "database_refused"
    assert error["port"] == "1"
    assert "hush-hush" not in json.dumps(error)
