"""Rows move between SQLite and PostgreSQL with every value as it was, and what can't move is told before anything is."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
import wide
from postgres import postgresql


pytestmark = pytest.mark.local
DATASIDE = Path(__file__).parents[2] / "src" / "nuages" / "dataside"
SETTINGS = """
import json, os
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "wide"]
DATABASES = {"default": json.loads(os.environ["DEFAULT"])}
USE_TZ, TIME_ZONE, SECRET_KEY, DEFAULT_AUTO_FIELD = True, "Europe/Berlin", "x", "django.db.models.BigAutoField"
"""
ASK = """
import json, sys
sys.path[:0] = [sys.argv[1], "."]
import django
django.setup()
import across_tables, across_compare, across_look, across
try:
    print(json.dumps(across.main(json.loads(sys.argv[2]), lambda line: print(line, file=sys.stderr))))
except across.RefusedError as error:
    print(json.dumps({"refused": str(error)}))
"""


class Wide:
    """The project in its own SQLite, and how to ask it."""

    def __init__(self, folder, server):
        self.folder, self.server = folder, server
        self.sqlite = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(folder / "db.sqlite3")}
        wide.write(folder)
        (folder / "settings.py").write_text(SETTINGS)
        self.django("makemigrations", "wide")
        self.django("migrate")

    def run(self, *argv, default=None):
        env = {**os.environ, "DJANGO_SETTINGS_MODULE": "settings", "DEFAULT": json.dumps(default or self.sqlite)}
        done = subprocess.run([self.server.python, *argv], cwd=self.folder, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr[-3000:]
        return done.stdout

    def django(self, *words, default=None):
        return self.run("-m", "django", *words, default=default)

    def ask(self, default=None, **wish):
        return json.loads(self.run("-c", ASK, str(DATASIDE), json.dumps({"alias": "default", **wish}), default=default))

    def told(self, default):
        """What the project itself reads there, through its own fields."""
        code = "from wide.models import *; print(list(Thing.objects.order_by('id').values_list()), list(Thing.friends.through.objects.values_list()))"
        return self.django("shell", "-v", "0", "-c", code, default=default)


@pytest.fixture(scope="module")
def server():
    with postgresql() as server:
        yield server


@pytest.fixture(scope="module")
def project(server, tmp_path_factory):
    project = Wide(tmp_path_factory.mktemp("wide"), server)
    project.django("shell", "-c", wide.fill(500))
    return project


@pytest.fixture(scope="module")
def moved(project, server):
    target = server.database("moved")
    answer = project.ask(default=target, verb="copy", source={"sqlite": project.sqlite["NAME"]}, target={})
    assert "refused" not in answer, answer
    return target, answer


def test_every_value_is_read_as_it_was(project, moved):
    target, answer = moved
    assert answer["tables"]["wide_thing"] == 500
    assert project.told(target) == project.told(project.sqlite)


def test_a_number_that_was_given_out_is_not_given_out_again(project, moved):
    target, _answer = moved
    made = project.django(
        "shell", "-v", "0", "-c", "from wide.models import *; print(Counter.objects.create(n=1).pk)", default=target
    )
    assert made.strip() == "11"


def test_permissions_are_those_that_people_have(project, moved):
    target, _answer = moved
    code = "from django.contrib.auth.models import User; print(sorted(User.objects.get().get_all_permissions()))"
    assert project.django("shell", "-v", "0", "-c", code, default=target) == project.django("shell", "-v", "0", "-c", code)


def test_and_back_into_sqlite(project, moved, tmp_path):
    target, _answer = moved
    back = {"sqlite": str(tmp_path / "back.sqlite3")}
    answer = project.ask(default=target, verb="copy", source={}, target=back)
    assert "refused" not in answer, answer
    assert project.told({**project.sqlite, "NAME": back["sqlite"]}) == project.told(target)


def test_nothing_is_wrong_with_what_fits(project):
    answer = project.ask(verb="look", source={})
    assert answer["wrong"] == []
    assert answer["rows"] > 500


def test_what_postgresql_would_refuse_is_counted_before_anything(project, tmp_path):
    copy = tmp_path / "bad.sqlite3"
    copy.write_bytes(Path(project.sqlite["NAME"]).read_bytes())
    spoil = (
        "UPDATE wide_thing SET name = 'x' || hex(zeroblob(40)) WHERE small < 2; UPDATE wide_counter SET n = 3000000000 WHERE id = 1; "
        "UPDATE wide_thing SET text = 'a' || char(0) WHERE small = 3; UPDATE wide_counter SET n = 'many' WHERE id = 2; "
        "PRAGMA foreign_keys = OFF; UPDATE wide_thing SET kind_id = 'nobody' WHERE small = 4;"
    )
    project.run("-c", "import sqlite3, sys; sqlite3.connect(sys.argv[1]).executescript(sys.argv[2])", str(copy), spoil)
    wrong = project.ask(verb="look", source={"sqlite": str(copy)})["wrong"]
    assert sorted(wrong) == [
        "wide.Counter.n: 1 values out of its range",
        "wide.Counter.n: 1 values that are no whole numbers",
        "wide.Thing.name: 2 values longer than 40 characters",
        "wide.Thing.text: 1 values with a NUL byte, which PostgreSQL's text can't hold",
        "wide_thing: rows that refer to wide_kind which are not there",
    ]


def test_a_source_without_a_migration_of_the_code_is_refused(project, server, tmp_path):
    old = tmp_path / "old.sqlite3"
    old.write_bytes(Path(project.sqlite["NAME"]).read_bytes())
    forget = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute(\"DELETE FROM django_migrations WHERE app = 'wide'\"); c.commit()"
    project.run("-c", forget, str(old))
    answer = project.ask(default=server.database("refused"), verb="copy", source={"sqlite": str(old)}, target={})
    assert "lacks migrations of this code: wide.0001_initial" in answer["refused"]
