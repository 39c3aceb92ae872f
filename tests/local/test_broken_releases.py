"""A release that can't work never replaces one that does, and says why in a few lines."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest
from live_site import SETTINGS, VIEWS, Site, a_site, free_port


pytestmark = pytest.mark.local

HUNGRY = """
import os, resource
if os.environ.get("NUAGES_GENERATION"):  # in the processes that serve, not in the probe
    resource.setrlimit(resource.RLIMIT_AS, (600 << 20, 600 << 20))
    hoard = bytearray(900 << 20)
"""
SLEEPY = """
import os, time
if os.environ.get("NUAGES_GENERATION"):
    time.sleep(300)
"""
BROKEN_MIGRATION = """
from django.db import migrations


def fail(apps, schema_editor):
    raise ValueError("no such shelf")


class Migration(migrations.Migration):
    dependencies = [("books", "0001_initial")]
    operations = [migrations.RunPython(fail, migrations.RunPython.noop)]
"""
FAILING_HOME = VIEWS.replace("def home(request):", "def home(request):\n    raise RuntimeError('the shelf is empty')")

# What is changed in the project, and what the message must name.
BROKEN = {
    "a syntax error in a view": ({"books/views.py": VIEWS + "\ndef broken(:\n"}, ("books/views.py", "SyntaxError")),
    "a syntax error in the settings": ({"shop/settings.py": SETTINGS + "\nDEBUG = = 1\n"}, ("shop/settings.py", "SyntaxError")),
    "a package that does not exist": (
        {"requirements.txt": "django>=5.2,<5.3\nno-such-package-of-nuages==9.9\n"},
        ("no-such-package-of-nuages",),
    ),
    "an import of a package that no requirement brings": (
        {"books/views.py": "import absent_library\n" + VIEWS},
        ("absent_library",),
    ),
    "a migration that fails": ({"books/migrations/0002_broken.py": BROKEN_MIGRATION}, ("0002_broken", "no such shelf")),
    "a first page that answers 500": ({"books/views.py": FAILING_HOME}, ("500", "the shelf is empty")),
    "a boot that never ends": (
        {"shop/wsgi.py": SLEEPY + "from django.core.wsgi import get_wsgi_application\napplication = get_wsgi_application()\n",
         "nuages.toml": "[health]\nwithin = 4\n"},
        ("did not answer within 4",),
    ),
    "too little memory at boot": (
        {"shop/wsgi.py": HUNGRY + "from django.core.wsgi import get_wsgi_application\napplication = get_wsgi_application()\n"},
        ("memory",),
    ),
    "a file that a stylesheet names and nobody has": (
        {"books/static/books/site.css": "body { background: url(absent.png) }\n"},
        ("absent.png", "site.css"),
    ),
    "a nuages.toml that is no TOML": ({"nuages.toml": "domains = [\n"}, ("nuages.toml", "TOML")),
    "a key that nuages.toml does not know": ({"nuages.toml": "domain = ['shop.example']\n"}, ("domain", "domains")),
    "a folder without manage.py": ({"manage.py": None}, ("manage.py",)),
    "a Python that is not there": (
        {"pyproject.toml": '[project]\nname = "shop"\nversion = "1"\nrequires-python = ">=3.99"\ndependencies = ["django"]\n'},
        ("3.99", "there are:"),
    ),
    "a template that does not compile": (
        {"books/templates/books/home.html": "{% if %}\n"},
        ("home.html",),
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with a_site(tmp_path_factory.mktemp("broken")) as site:
        site.up()
        yield site


@pytest.fixture
def kept(site, tmp_path):
    """The project as it was, before and after the test."""
    shutil.copytree(site.root, tmp_path / "kept")
    yield site
    shutil.rmtree(site.root)
    shutil.copytree(tmp_path / "kept", site.root)


@pytest.mark.parametrize("what", BROKEN)
def test_the_old_release_goes_on_serving_after(kept, what):
    changes, named = BROKEN[what]
    before = kept.status()["release"]
    said = kept.write(**changes).refused()
    assert [word for word in named if word not in said] == [], said
    assert_short(said)
    assert "version 1" in kept.get()
    if changes.get("nuages.toml") is None:
        assert kept.status()["release"] == before
        assert [n for n in (kept.state / "numbered").iterdir() if int(n.name[1:]) > before] == []


def assert_short(said: str) -> None:
    """One line that says what, at most five of detail, one hint; and no traceback of ours."""
    lines = said.splitlines()
    assert len([line for line in lines if not line.strip().startswith("hint:")]) <= 6, said
    assert "Traceback" not in said or "nuages/" not in said, said


def test_a_database_that_refuses_is_named_without_its_password(kept):
    port = free_port()
    url = f"postgres://shop:correct-horse-battery@127.0.0.1:{port}/shop"
    said = kept.refused("config", "set", f"DATABASE_URL={url}")
    assert "127.0.0.1" in said
    assert str(port) in said
    assert "correct-horse-battery" not in said
    assert_short(said)
    assert "version 1" in kept.get()
    assert "is not set" in kept.refused("config", "get", "DATABASE_URL")


def test_the_repaired_project_goes_live_after_a_broken_one(kept):
    kept.write(**{"books/views.py": FAILING_HOME}).refused()
    kept.write(**{"books/views.py": VIEWS}).version("repaired").nuages("up", "-d")
    assert "version repaired" in kept.get().replace("&#x27;", "")


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="a file system that fills up is mounted by root only")
def test_a_full_disk_is_named_and_leaves_the_old_release(tmp_path):
    (tmp_path / "state").mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200m", "tmpfs", str(tmp_path / "state")], check=False)
    if mounted.returncode:
        pytest.skip("this machine lets nobody mount a tmpfs")
    try:
        with a_site(tmp_path) as site:
            site.up()
            fill(site)
            said = site.version("too-big").refused("up", "-d")
            assert "disk is full" in said or "No space left" in said, said
            assert_short(said)
            assert "version 1" in site.get()
            (site.data / "filler").unlink()
            site.nuages("up", "-d")
            assert "too-big" in site.get()
    finally:
        subprocess.run(["umount", "-l", str(tmp_path / "state")], check=False)


def fill(site: Site) -> None:
    room = os.statvfs(site.data)
    with (site.data / "filler").open("wb") as file:
        file.write(b"\0" * (room.f_bavail * room.f_frsize - 200_000))
