"""The hook in a real process: settings of every shape are in force, and nothing else is touched."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


RUNTIME = Path(__file__).parents[3] / "src" / "nuages" / "runtime"
BASE = """
import os
SECRET_KEY = "django-insecure-x"
ROOT_URLCONF = "shop.urls"
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "django.contrib.staticfiles"]
MIDDLEWARE = []
STATIC_URL = "static/"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"}}
ALLOWED_HOSTS = ["*"]
JWT = {"KEY": SECRET_KEY}
"""
REPORT = """
import json, django
django.setup()
from django.conf import settings
from nuages_runtime import hook, overlay
print(json.dumps({"differs": overlay.read_back(), "errors": hook.RECORD["errors"], "marker": hook.RECORD["marker"],
    "values": {name: str(getattr(settings, name, None)) for name in ("DEBUG", "ALLOWED_HOSTS", "SEEN", "JWT", "STATIC_ROOT", "INSTALLED_APPS")}}))
"""


class Process:
    """A project of a few modules, and a Python process in it with the hook installed, as the venv's .pth does."""

    def __init__(self, root, **policy):
        self.root = root
        release = root / "release"
        (release / "runtime").mkdir(parents=True)
        (release / "runtime" / "nuages_runtime").symlink_to(RUNTIME)
        project = root / "project"
        base = {"site": "shop", "number": 3, "build": "b1", "settings_module": "shop.settings", "project": str(project), "manage_dir": str(project),
                "static_root": str(root / "static"), "media_root": str(root / "media"), "data_dir": str(root / "data")}  # fmt: skip
        (release / "policy.json").write_text(json.dumps({**base, **policy}))
        self.write("shop/__init__.py", "")
        self.write("shop/urls.py", "urlpatterns = []")

    def write(self, path, text):
        full = self.root / "project" / path
        full.parent.mkdir(parents=True, exist_ok=True)
        full.write_text(text)

    def run(self, code, **environ):
        env = {"PATH": os.defpath, "NUAGES_RELEASE": str(self.root / "release"), "NUAGES_SECRET_KEY": "k" * 50, "DJANGO_SETTINGS_MODULE": "shop.settings",
               "PYTHONPATH": f"{self.root / 'release' / 'runtime'}:{self.root / 'project'}", **environ}  # fmt: skip
        install = "import nuages_runtime.hook as hook; hook.install()\n"
        done = subprocess.run(
            [sys.executable, "-c", install + code],
            cwd=self.root / "project",
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def report(self, **environ):
        answer = json.loads(self.run(REPORT, **environ))
        assert answer["differs"] == []
        assert answer["errors"] == []
        assert answer["marker"] == "shop:v3:b1"
        return answer["values"]


@pytest.fixture
def process(tmp_path):
    return Process(tmp_path)


def test_debug_is_false_while_the_settings_run_and_the_key_is_ours(process):
    process.write(
        "shop/settings.py",
        BASE + "DEBUG = os.environ.get('DEBUG', 'True') == 'True'\nSEEN = 'dev' if DEBUG else 'production'\n",
    )
    values = process.report()
    assert values["DEBUG"] == "False"
    assert values["SEEN"] == "production"
    assert values["JWT"] == str({"KEY": "k" * 50})


def test_split_settings_are_substituted_and_written_back(process):
    process.write("shop/settings/__init__.py", "from .base import *")
    process.write("shop/settings/base.py", BASE + "if True:\n    DEBUG = True\nSEEN = DEBUG\n")
    process.write("shop/settings/production.py", "from .base import *\n")
    code = "import django; django.setup()\nimport shop.settings as a; from shop.settings import base as b\nprint(a.DEBUG, b.DEBUG, b.SEEN, b.ALLOWED_HOSTS == a.ALLOWED_HOSTS != ['*'])"
    assert process.run(code, DJANGO_SETTINGS_MODULE="shop.settings.production").split() == [
        "False",
        "False",
        "False",
        "True",
    ]


def test_a_module_that_is_assigned_hard_is_laid_over_too(process):
    process.write("shop/settings.py", "raise SystemExit('the wrong settings')")
    process.write("other.py", BASE + "DEBUG = True")
    code = "import os\nos.environ['DJANGO_SETTINGS_MODULE'] = 'other'\n" + REPORT
    assert json.loads(process.run(code))["values"]["DEBUG"] == "False"


def test_a_package_that_sets_django_up_half_way_has_all_its_apps(process):
    process.write("shop/settings.py", BASE + "DEBUG = True")
    process.write(
        "shop/__init__.py",
        "import django, os\nos.environ['DJANGO_SETTINGS_MODULE'] = 'shop.settings'\ndjango.setup()\n",
    )
    assert "django.contrib.auth" in process.report()["INSTALLED_APPS"]


def test_settings_that_a_class_loads_into_the_module_are_laid_over(process):
    body = "".join(f"    {line}\n" for line in BASE.splitlines())
    load = "import sys\nfor name in dir(Base):\n    if name.isupper():\n        setattr(sys.modules[__name__], name, getattr(Base(), name))\n"
    process.write(
        "shop/settings.py",
        f"class Base:\n{body}    DEBUG = True\n    @property\n    def SEEN(self): return self.DEBUG\n{load}",
    )
    assert process.report()["SEEN"] == "False"


def test_a_log_level_called_debug_is_not_the_switch(process):
    process.write("shop/levels.py", "from enum import Enum\nDEBUG = 10\nclass Level(Enum):\n    DEBUG = 1\n")
    process.write(
        "shop/settings.py",
        BASE + "from shop import levels\nSEEN = (levels.DEBUG, levels.Level.DEBUG.value)\n",
    )
    assert process.report()["SEEN"] == "(10, 1)"


def test_an_error_in_the_settings_keeps_its_line(process):
    process.write("shop/settings.py", "DEBUG = True\n\n\nundefined_name\n")
    code = "import traceback\ntry:\n    import shop.settings\nexcept NameError as e:\n    print(traceback.extract_tb(e.__traceback__)[-1].lineno)"
    assert process.run(code).strip() == "4"


def test_no_compiled_file_is_written_from_what_was_substituted(process):
    process.write("shop/settings.py", BASE + "DEBUG = True")
    process.report()
    assert not list((process.root / "project" / "shop" / "__pycache__").glob("settings*"))


def test_other_processes_and_missing_releases_are_left_alone(process):
    process.write("shop/settings.py", BASE + "DEBUG = True")
    code = "import sys, shop.settings\nprint(shop.settings.DEBUG, any('Settings' in type(f).__name__ for f in sys.meta_path))"
    assert process.run(code, NUAGES_RELEASE="/nowhere").split() == ["True", "False"]


def test_what_is_in_leave_is_untouched_from_the_start(tmp_path):
    process = Process(tmp_path, leave=["DEBUG", "SECRET_KEY"])
    process.write("shop/settings.py", BASE + "DEBUG = True")
    values = process.report()
    assert values["DEBUG"] == "True"
    assert "django-insecure-x" in values["JWT"]


def test_an_overlay_that_is_not_in_force_is_told(process):
    process.write("shop/settings.py", BASE)
    code = "import django; django.setup()\nfrom django.conf import settings; settings.DEBUG = True\nfrom nuages_runtime import overlay; print([row['setting'] for row in overlay.read_back()])"
    assert process.run(code).strip() == "['DEBUG']"


def test_objects_that_can_not_be_compared_equal_their_copies(process):
    """Formatters of structlog in LOGGING are such objects; what is expected was copied from them."""
    log = "class Render: pass\nLOGGING = {'version': 1, 'formatters': {'plain': {'()': 'logging.Formatter', 'renderer': Render()}}}\n"
    process.write("shop/settings.py", BASE + log + "LOGGING_CONFIG = None\n")
    code = "import django; django.setup()\nfrom nuages_runtime import overlay; print(overlay.read_back())"
    assert process.run(code).strip() == "[]"


def test_django_configurations_is_set_up_first_by_every_command_of_ours(process):
    """It refuses a django.setup() that comes before its own; the migrations of such a project would fail."""
    process.write("configurations/__init__.py", "def setup():\n    print('its own')\n")
    code = "from nuages_runtime.entry import set_up; set_up()"
    assert process.run(code, DJANGO_CONFIGURATION="Prod").strip() == "its own"
    process.write("shop/settings.py", BASE)
    assert process.run(code + "; from django.apps import apps; print(apps.ready)").strip() == "True"
