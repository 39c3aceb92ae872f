"""Eject: the module that is written gives the same settings without us."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from nuages.environments.model import Requirements
from nuages.errors import SettingsError
from nuages.project.model import Files, Probe
from nuages.settings.eject import eject


RUNTIME = Path(__file__).parents[3] / "src" / "nuages" / "runtime"
KEY = "a-key-of-fifty-characters-that-is-only-for-the-test"
COMPARED = (
    "DEBUG",
    "SECRET_KEY",
    "ALLOWED_HOSTS",
    "DATABASES",
    "STATIC_ROOT",
    "STATIC_URL",
    "MEDIA_ROOT",
    "MIDDLEWARE",
    "SECURE_SSL_REDIRECT",
    "SESSION_COOKIE_SECURE",
    "INSTALLED_APPS",
    "EMAIL_TIMEOUT",
)
REPORT = f"""
import json, django
django.setup()
from django.conf import settings
from django.template.loader import get_template
assert "Page not found" in get_template("404.html").render()
from django.contrib.staticfiles.storage import staticfiles_storage
from django.core.cache import cache
cache.set("a", 1)
out = {{"values": {{name: repr(getattr(settings, name)) for name in {COMPARED!r}}}}}
import sys
hook = sys.modules.get("nuages_runtime.hook")
out["changes"] = hook.RECORD["changes"] if hook else []
print(json.dumps(out))
"""


class Site:
    def __init__(self, root, module):
        self.root, self.module = root, module
        self.project = root / "project"
        (root / "release" / "runtime").mkdir(parents=True)
        (root / "release" / "runtime" / "nuages_runtime").symlink_to(RUNTIME)
        places = {"static_root": "static", "media_root": "media", "data_dir": "data"}
        policy = {
            "site": "shop",
            "settings_module": module,
            "project": str(self.project),
            "manage_dir": str(self.project),
            **{k: str(root / v) for k, v in places.items()},
        }
        (root / "release" / "policy.json").write_text(json.dumps(policy))

    def report(self, module, hooked):
        path = [str(self.project)] + ([str(self.root / "release" / "runtime")] if hooked else [])
        env = {
            "PATH": os.defpath,
            "PYTHONPATH": os.pathsep.join(path),
            "DJANGO_SETTINGS_MODULE": module,
            "SECRET_KEY": KEY,
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        if hooked:
            env |= {"NUAGES_RELEASE": str(self.root / "release"), "NUAGES_SECRET_KEY": KEY}
        code = ("import nuages_runtime.hook as h; h.install()\n" if hooked else "") + REPORT
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=self.project,
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def ejected(self):
        hooked = self.report(self.module, hooked=True)
        files = Files(self.project, "manage.py", self.module, (), "", "", Requirements("none"), (), ())
        return hooked["values"], eject(files, Probe("5.2", "3.13", self.module, tuple(hooked["changes"]), (), {}, ()))


@pytest.fixture
def started(tmp_path):
    """What `django-admin startproject shop` writes."""
    site = Site(tmp_path, "shop.settings")
    site.project.mkdir()
    subprocess.run([sys.executable, "-m", "django", "startproject", "shop", str(site.project)], check=True)
    return site


@pytest.fixture
def split(started, tmp_path):
    folder = started.project / "shop" / "settings"
    folder.mkdir()
    (started.project / "shop" / "settings.py").rename(folder / "base.py")
    (folder / "__init__.py").write_text("")
    (folder / "live.py").write_text("from .base import *\nSESSION_COOKIE_SECURE = True\nMEDIA_ROOT = BASE_DIR / 'media'\n")
    started.module = "shop.settings.live"
    text = (tmp_path / "release" / "policy.json").read_text()
    (tmp_path / "release" / "policy.json").write_text(text.replace('"shop.settings"', '"shop.settings.live"'))
    return started


@pytest.mark.parametrize(("shape", "module"), [("started", "shop.production_settings"), ("split", "shop.settings.production")])
def test_the_ejected_module_gives_the_same_settings_without_us(shape, module, request):
    site = request.getfixturevalue(shape)
    in_force, ejected = site.ejected()
    assert ejected.module == module
    ejected.write(site.project)
    assert site.report(module, hooked=False)["values"] == in_force


def test_no_secret_and_nothing_of_ours_is_in_what_is_written(started):
    _, ejected = started.ejected()
    text = next(iter(ejected.files.values()))
    assert KEY not in text
    assert "nuages_runtime" not in text
    assert 'SECRET_KEY = os.environ["SECRET_KEY"]' in text
    assert any("DJANGO_SETTINGS_MODULE=shop.production_settings" in note for note in ejected.notes)


def test_a_file_of_the_users_is_never_overwritten(started):
    _, ejected = started.ejected()
    ejected.write(started.project)
    with pytest.raises(SettingsError, match="is there already"):
        ejected.write(started.project)
