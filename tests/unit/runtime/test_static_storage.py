"""Hashed static files: strict where the project can mend it, tolerant elsewhere and at run time."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


RUNTIME = Path(__file__).parents[3] / "src" / "nuages" / "runtime"
SETTINGS = """
SECRET_KEY = "x"
INSTALLED_APPS = ["django.contrib.staticfiles"]
STATIC_URL = "/static/"
STATIC_ROOT = {root!r}
STATICFILES_DIRS = ["assets"]
STORAGES = {{"staticfiles": {{"BACKEND": "nuages_runtime.storage.HashedStaticStorage"}}}}
"""


@pytest.fixture
def site(tmp_path):
    (tmp_path / "runtime").mkdir()
    (tmp_path / "runtime" / "nuages_runtime").symlink_to(RUNTIME)
    (tmp_path / "shop_settings.py").write_text(SETTINGS.format(root=str(tmp_path / "static")))
    (tmp_path / "assets").mkdir()
    return tmp_path


def write(site, path, text):
    (site / "assets" / path).parent.mkdir(parents=True, exist_ok=True)
    (site / "assets" / path).write_text(text)


def django(site, *argv, **more):
    env = {
        **more,
        "PATH": os.defpath,
        "PYTHONPATH": f"{site}:{site / 'runtime'}",
        "DJANGO_SETTINGS_MODULE": "shop_settings",
    }
    return subprocess.run([sys.executable, *argv], cwd=site, env=env, capture_output=True, text=True, check=False)


def collect(site, **more):
    return django(site, "-m", "django", "collectstatic", "--noinput", "-v0", **more)


def test_names_carry_a_hash_and_a_name_that_is_missing_is_answered_plain(site):
    write(site, "app.css", "body { color: red }")
    assert collect(site).returncode == 0
    names = json.loads((site / "static" / "staticfiles.json").read_text())["paths"]
    code = "import django; django.setup()\nfrom django.templatetags.static import static\nprint(static('app.css'), static('gone.png'))"
    assert django(site, "-c", code).stdout.split() == [f"/static/{names['app.css']}", "/static/gone.png"]


def test_before_anything_is_collected_names_are_plain(site):
    write(site, "app.css", "")
    code = "import django; django.setup()\nfrom django.templatetags.static import static\nprint(static('app.css'))"
    assert django(site, "-c", code).stdout.split() == ["/static/app.css"]


def test_a_file_of_the_projects_own_that_is_missing_is_named_with_who_refers_to_it(site):
    write(site, "css/app.css", "body { background: url('../img/gone.png') }")
    done = collect(site)
    assert done.returncode != 0
    assert "css/app.css refers to ../img/gone.png, which does not exist" in done.stderr


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("app.css", "a{}\n/*# sourceMappingURL=app.css.map */"),
        ("app.js", "1\n//# sourceMappingURL=app.js.map"),
        ("vendor/grid.css", "a { background: url(gone.png) }"),
        ("bootstrap.min.css", "a { background: url(gone.png) }"),
    ],
)
def test_what_nobody_can_mend_is_tolerated(site, path, text):
    write(site, path, text)
    done = collect(site)
    assert done.returncode == 0, done.stderr


def test_a_vendored_file_that_is_not_utf_8_stops_nothing(site):
    write(site, "app.css", "a{}")
    (site / "assets" / "vendor").mkdir()
    (site / "assets" / "vendor" / "old.css").write_bytes(b"/* caf\xe9 */ a{}")
    done = collect(site)
    assert done.returncode == 0, done.stderr
    paths = json.loads((site / "static" / "staticfiles.json").read_text())["paths"]
    assert set(paths) == {"app.css", "vendor/old.css"}


@pytest.mark.parametrize(("release", "compressed"), [({"NUAGES_RELEASE": "/release"}, 0), ({}, 2)])
def test_whitenoises_storage_leaves_compressing_to_the_release_and_does_it_after_eject(site, release, compressed):
    pytest.importorskip("whitenoise")
    settings = (site / "shop_settings.py").read_text().replace("HashedStaticStorage", "HashedWhiteNoiseStorage")
    (site / "shop_settings.py").write_text(settings)
    write(site, "app.css", "body { color: red }\n" * 100)
    assert collect(site, **release).returncode == 0
    assert len(list((site / "static").glob("*.css.gz"))) == compressed
