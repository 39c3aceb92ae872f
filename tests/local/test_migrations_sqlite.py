"""Migrations beside a live release, on SQLite: every promise is kept by processes of two releases on one file."""

from __future__ import annotations

import json
import sqlite3

import pytest
from toy import BOOK, BOOK_OPERATION, Toy

from nuages.migrations.judge import judge
from nuages.migrations.rehearsal import read_rehearsal


pytestmark = pytest.mark.local


@pytest.fixture
def old(tmp_path):
    toy = Toy(tmp_path / "old").write(BOOK, m0001_initial=f"operations = [{BOOK_OPERATION}]")
    toy.module("migrate", "--all")
    return toy


def judged(old, new):
    report = new.ask("pending", "--skip-missing")
    fresh = new.ask("rehearse", "--scratch", str(new.folder.parent / "scratch"))
    schemas = str(new.folder.parent / f"{new.folder.name}-rehearse.json")
    return judge(report, live=True, rehearsal=read_rehearsal(fresh, old.ask("schema", "--compare", schemas)))


def columns(toy):
    connection = sqlite3.connect(toy.database["NAME"])
    found = {row[1]: row for row in connection.execute("PRAGMA table_info(shop_book)")}
    connection.close()
    return found


def test_two_releases_insert_into_one_table_through_a_whole_change(old, tmp_path):
    new = old.copy(tmp_path / "new").write(
        "class Book(models.Model):\n    title = models.CharField(max_length=40)\n    pages = models.IntegerField(default=3)\n",
        m0002_pages="""operations = [
            migrations.AddField("Book", "pages", models.IntegerField(default=3)),
            migrations.AlterField("Book", "title", models.CharField(max_length=40)),
        ]""",
        m0003_isbn='operations = [migrations.RemoveField("Book", "isbn")]',
    )
    judgement = judged(old, new)
    assert [p.label for p in judgement.before] == ["shop.0002_pages"]
    assert [p.label for p in judgement.after] == ["shop.0003_isbn"]
    kept = str(tmp_path / "kept.json")
    new.module("migrate", "--only", "shop.0002_pages", "--keep-defaults", kept, "--relax", ",".join(judgement.relax))
    old.shell("Book.objects.create(title='a', isbn='1')")
    new.shell("Book.objects.create(title='b')")
    new.module("migrate", "--only", "shop.0003_isbn", "--keep-defaults", kept)
    assert new.shell("print(list(Book.objects.values_list('title', 'pages')))") == "[('a', 3), ('b', 3)]"


def test_looking_creates_no_database_and_changes_none(tmp_path):
    toy = Toy(tmp_path / "toy").write(BOOK, m0001_initial=f"operations = [{BOOK_OPERATION}]")
    report = toy.ask("pending")
    assert not (tmp_path / "live.sqlite3").exists()
    assert report["databases"]["default"]["empty"] is True
    assert report["missing"] == []
    assert [p.phase for p in judge(report, live=False).pending] == ["before"]


def test_rows_that_a_migration_can_not_take_are_found_on_the_copy(old, tmp_path):
    old.shell("Book.objects.create(title='a', isbn='1'); Book.objects.create(title='b', isbn='1')")
    before = columns(old)
    new = old.copy(tmp_path / "new").write(
        BOOK.replace("isbn = models.CharField(max_length=20)", "isbn = models.CharField(max_length=20, unique=True)"),
        m0002_unique='operations = [migrations.AlterField("Book", "isbn", models.CharField(max_length=20, unique=True))]',
    )
    judgement = judged(old, new)
    assert "UNIQUE constraint failed" in judgement.stops[0].why
    assert columns(old) == before


def test_models_that_changed_without_a_migration_are_named(old):
    old.write(BOOK + "    pages = models.IntegerField(default=3)\n")
    assert [m["app"] for m in old.ask("pending")["missing"]] == ["shop"]


def test_a_migration_that_fails_says_which_and_why_and_can_be_run_again(old, tmp_path):
    body = """
        def fill(apps, schema_editor):
            Book = apps.get_model("shop", "Book")
            assert Book.objects.exists(), "no books yet"
        class Migration:
            operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
    """
    old.write(BOOK, m0002_fine='operations = [migrations.AlterModelOptions("Book", {})]', m0003_fill=body)
    result = old.module("migrate", "--all", check=False)
    answer = json.loads(result.stdout.strip().splitlines()[-1])
    assert result.returncode == 1
    assert answer["error"] == "shop.0003_fill failed"
    assert "no books yet" in answer["detail"]
    old.shell("Book.objects.create(title='a', isbn='1')")
    assert old.module("migrate", "--all").stdout.startswith("shop.0003_fill  ")
    assert old.module("migrate", "--all").stdout.strip() == ""


def test_a_list_that_leaves_out_what_it_needs_is_refused(old):
    old.write(
        BOOK,
        m0002_one='operations = [migrations.AlterModelOptions("Book", {})]',
        m0003_two='operations = [migrations.AlterModelOptions("Book", {"ordering": ["id"]})]',
    )
    result = old.module("migrate", "--only", "shop.0003_two", check=False)
    assert "need others that are not in the list" in result.stdout
    assert "shop.0002_one" in result.stdout
