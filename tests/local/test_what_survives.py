"""What people have put into a site is there after deploys, rollbacks, a stop and a power cut."""

from __future__ import annotations

import re
import sqlite3

import pytest
from live_site import Browser, Site, a_site


pytestmark = pytest.mark.local

COVER = bytes(range(256)) * 64


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with a_site(tmp_path_factory.mktemp("survives")) as site:
        with sqlite3.connect(site.root / "db.sqlite3") as developers:
            developers.execute("CREATE TABLE mine (note TEXT)")
        developers.close()
        site.up()
        make = "from django.contrib.auth.models import User; User.objects.create_user('ada', password='byron-1815')"
        site.nuages("manage", "shell", "-c", make)
        yield site


@pytest.fixture(scope="module")
def visitor(site):
    """Someone who has logged in, added a book and uploaded its cover."""
    browser = Browser(site)
    browser.log_in("ada", "byron-1815")
    browser.post("/books", title="Notes, with “ünïcode”")
    browser.cover = browser.send_file("/cover", "cover", "cover 1.png", COVER)
    return browser


def assert_all_is_there(site: Site, visitor: Browser) -> None:
    assert visitor.get("/me") == "ada"
    assert "\\u201c\\u00fcn\\u00efcode\\u201d" in visitor.get("/books")
    with visitor.opener.open(site.url + visitor.cover) as answer:
        assert answer.read() == COVER
    assert ", 1 books" in visitor.get("/")


def test_rows_an_upload_and_a_session_survive_five_deploys(site, visitor):
    for number in range(5):
        site.version(f"deploy{number}").release()
        assert f"deploy{number}" in visitor.get("/")
    assert_all_is_there(site, visitor)


def test_they_survive_a_rollback(site, visitor):
    now = site.version("newest").release()
    site.nuages("rollback")
    assert site.status()["release"] == now + 1
    assert "newest" not in visitor.get("/")
    assert_all_is_there(site, visitor)


def test_they_survive_down_and_start(site, visitor):
    before = visitor.get("/")
    site.nuages("down")
    assert site.status()["state"] == "stopped"
    assert site.pids() == {}
    site.nuages("start")
    assert visitor.get("/") == before
    assert_all_is_there(site, visitor)


def test_they_survive_the_death_of_every_process_at_once(site, visitor):
    before = visitor.get("/")
    site.kill_everything()
    assert site.nuages("status", check=False).returncode == 3
    site.nuages("start")
    assert visitor.get("/") == before
    assert_all_is_there(site, visitor)


def test_they_survive_a_new_secret_key(site, visitor):
    site.nuages("config", "rotate-key")
    assert_all_is_there(site, visitor)


def test_the_developers_own_database_is_left_alone(site, visitor):
    with sqlite3.connect(site.root / "db.sqlite3") as developers:
        tables = [name for (name,) in developers.execute("SELECT name FROM sqlite_master")]
    developers.close()
    assert tables == ["mine"]
    assert not (site.root / "media").exists()
    assert not (site.root / "staticfiles").exists()


def test_pages_of_the_release_before_still_find_their_static_files(site, visitor):
    old = stylesheet(site)
    site.write(**{"books/static/books/site.css": "body { background: url(paper.png); color: teal }\n"}).release()
    new = stylesheet(site)
    assert new != old
    assert "teal" not in site.get(old)
    assert "teal" in site.get(new)
    with visitor.opener.open(site.url + new) as answer:
        assert "immutable" in answer.headers["Cache-Control"]


def stylesheet(site: Site) -> str:
    return re.findall(r'href="(/static/[^"]+\.css)"', site.get())[0]


def test_the_projects_folder_is_as_it_was(site):
    names = {p.name for p in site.root.iterdir()} - {"__pycache__"}
    assert names == {"manage.py", "requirements.txt", "Procfile", "worker.py", "shop", "books", "db.sqlite3"}
