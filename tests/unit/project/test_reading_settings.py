"""Which settings module is chosen, and what is said about it."""

from __future__ import annotations

import pytest
from mini import MANAGE, SETTINGS, WSGI, shop, topology

from nuages.errors import ProjectError
from nuages.project import read_files
from nuages.project.placeholders import example


PRODUCTION = "from .base import *\nDEBUG = False\n"
SPLIT = {"shop/settings.py": None, "shop/settings/__init__.py": "", "shop/settings/base.py": SETTINGS}


def read(root, files=None, settings="shop.settings", **declared):
    return read_files(shop(root, files, settings=settings), topology(root, **declared))


def test_a_plain_project_has_one_settings_module_and_no_choice_to_tell(tmp_path):
    files = read(tmp_path)
    assert (files.manage, files.settings, files.wsgi) == (
        "manage.py",
        "shop.settings",
        "shop.wsgi:application",
    )
    assert files.choices == ()


@pytest.mark.parametrize("name", ["production", "prod", "live", "deploy", "settings_prod"])
def test_a_production_sibling_is_chosen_over_the_one_that_manage_py_names(tmp_path, name):
    more = {**SPLIT, "shop/settings/dev.py": "from .base import *\n", f"shop/settings/{name}.py": PRODUCTION}
    files = read(tmp_path, more, settings="shop.settings.dev")
    assert files.settings == f"shop.settings.{name}"
    assert "shop.settings.dev" in files.choices[0].others
    assert "nuages.toml" in files.choices[0].override


def test_what_nuages_toml_says_wins_over_everything(tmp_path):
    more = {**SPLIT, "shop/settings/production.py": PRODUCTION}
    files = read_files(shop(tmp_path, more), topology(tmp_path, settings="shop.settings.base"))
    assert files.settings == "shop.settings.base"


@pytest.mark.parametrize("name", ["test", "ci", "local", "dev", "staging"])
def test_test_and_development_settings_are_not_chosen_while_others_are_there(tmp_path, name):
    more = {**SPLIT, f"shop/settings/{name}.py": "from .base import *\nDEBUG = False\n"}
    assert read(tmp_path, more, settings=f"shop.settings.{name}").settings == "shop.settings.base"


def test_development_settings_are_taken_when_nothing_else_is_there(tmp_path):
    more = {"shop/settings.py": None, "shop/settings/__init__.py": "", "shop/settings/dev.py": SETTINGS}
    assert read(tmp_path, more, settings="shop.settings.dev").settings == "shop.settings.dev"


def test_a_settings_module_that_nobody_names_is_found_by_its_content(tmp_path):
    manage = "import sys\nfrom django.core.management import execute_from_command_line\nexecute_from_command_line(sys.argv)\n"
    more = {
        **SPLIT,
        "manage.py": manage,
        "shop/wsgi.py": None,
        "shop/settings/test.py": "from .base import *\n",
    }
    assert read(tmp_path, more).settings == "shop.settings.base"


def test_settings_that_are_named_but_not_in_the_repository_are_told(tmp_path):
    more = {**SPLIT, "Dockerfile": "ENV DJANGO_SETTINGS_MODULE=settings.config\n"}
    files = read(tmp_path, more, settings="shop.settings.base")
    assert files.settings == "shop.settings.base"
    assert "settings.config" in files.choices[0].why
    assert "Dockerfile" in files.choices[0].why


def test_production_settings_that_build_on_development_ones_are_not_believed(tmp_path):
    more = {
        **SPLIT,
        "shop/settings/dev.py": "from .base import *\n",
        "shop/settings/docker.py": "from .dev import *\n",
    }
    assert read(tmp_path, more, settings="shop.settings.dev").settings == "shop.settings.base"


def test_an_overlay_of_local_settings_is_no_candidate(tmp_path):
    files = read(tmp_path, {"shop/production_settings.py": "SECRET_KEY = 'x'\nDEBUG = False\n"})
    assert files.settings == "shop.settings"
    assert files.settings_candidates == ("shop.settings",)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("Procfile", "web: DJANGO_SETTINGS_MODULE=shop.other gunicorn shop.wsgi\n"),
        ("uwsgi.ini", "[uwsgi]\nenv = DJANGO_SETTINGS_MODULE=shop.other\n"),
        (
            "docker-compose.yml",
            "services:\n  web:\n    environment:\n      DJANGO_SETTINGS_MODULE: shop.other\n",
        ),
        ("app.json", '{"env": {"DJANGO_SETTINGS_MODULE": {"value": "shop.other"}}}'),
        ("Dockerfile", "ENV DJANGO_SETTINGS_MODULE shop.other\n"),
        ("entrypoint.sh", "python manage.py migrate --settings=shop.other\n"),
    ],
)
def test_files_that_deploy_say_more_than_manage_py(tmp_path, path, text):
    assert read(tmp_path, {path: text, "shop/other.py": SETTINGS}).settings == "shop.other"


def test_settings_by_star_import_over_another_package_are_whole(tmp_path):
    more = {
        "conf/__init__.py": "",
        "conf/live.py": "from shop.settings import *\nDEBUG = False\n",
        "Procfile": "web: gunicorn shop.wsgi --env DJANGO_SETTINGS_MODULE=conf.live",
    }
    assert read(tmp_path, more).settings == "conf.live"


def test_the_class_of_django_configurations_is_the_production_one(tmp_path):
    text = "from configurations import Configuration, values\nclass Base(Configuration):\n    SECRET_KEY = values.SecretValue()\n    INSTALLED_APPS = []\nclass Dev(Base):\n    DEBUG = True\nclass Production(Base):\n    DEBUG = False\n"
    files = read(tmp_path, {"shop/settings.py": text})
    assert files.selectors == {"DJANGO_CONFIGURATION": "Production"}
    assert files.secret_names == ("DJANGO_SECRET_KEY",)
    assert files.libraries == ("django-configurations",)


def test_a_switch_inside_one_module_is_set_to_production(tmp_path):
    text = (
        SETTINGS
        + "import os\nENVIRONMENT = os.getenv('APP_ENV', 'development')\nif ENVIRONMENT == 'production':\n    DEBUG = False\n"
    )
    files = read(tmp_path, {"shop/settings.py": text})
    assert files.selectors == {"APP_ENV": "production"}


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("if socket.gethostname() == 'web-1':\n    DEBUG = False\n", True),
        ("HOSTNAME = socket.gethostname()\n", False),
    ],
)
def test_settings_that_choose_by_host_name_are_told(tmp_path, line, told):
    files = read(tmp_path, {"shop/settings.py": f"import socket\n{SETTINGS}{line}"})
    assert any(c.what == "settings by host name" for c in files.choices) is told


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ("os.environ['APP_SECRET']", ("APP_SECRET",)),
        ("env('DJANGO_SECRET_KEY', default='!!!SET DJANGO_SECRET_KEY!!!')", ("DJANGO_SECRET_KEY",)),
        ("config('SECRET_KEY')", ("SECRET_KEY",)),
        ("'django-insecure-abc'", ()),
    ],
)
def test_the_variables_that_feed_the_secret_key_are_known(tmp_path, expression, names):
    text = SETTINGS.replace('"django-insecure-for-tests"', expression)
    assert read(tmp_path, {"shop/settings.py": text}).secret_names == names


def test_the_shallowest_manage_py_outside_of_tests_is_chosen_and_told(tmp_path):
    more = {
        "tests/manage.py": MANAGE.format(settings="x.y"),
        "inner/deep/manage.py": MANAGE.format(settings="shop.settings"),
    }
    files = read(tmp_path, more)
    assert files.manage == "manage.py"
    assert files.choices[0].what == "manage.py"


def test_a_project_in_a_folder_is_read_from_there(tmp_path):
    for path in shop(tmp_path / "backend").rglob("*.py"):
        assert path.exists()
    files = read_files(tmp_path, topology(tmp_path))
    assert (files.manage, files.settings, files.wsgi) == (
        "backend/manage.py",
        "shop.settings",
        "shop.wsgi:application",
    )


def test_a_folder_without_a_project_says_what_to_do(tmp_path):
    (tmp_path / "readme.txt").write_text("hello")
    with pytest.raises(ProjectError, match=r"no manage\.py") as caught:
        read_files(tmp_path, topology(tmp_path))
    assert "nuages.toml" in caught.value.hint


def test_only_what_a_release_would_hold_is_read(tmp_path):
    shop(tmp_path, {"shop/production.py": "from shop.settings import *\nDEBUG = False\n"})
    listing = ["manage.py", "shop/__init__.py", "shop/settings.py", "shop/urls.py", "shop/wsgi.py"]
    assert read_files(tmp_path, topology(tmp_path), listing).settings == "shop.settings"


@pytest.mark.parametrize(
    ("text", "entry"),
    [
        (WSGI.format(settings="shop.settings"), "shop.wsgi:application"),
        (
            "from django.core.wsgi import get_wsgi_application\napp = get_wsgi_application()\n",
            "shop.wsgi:app",
        ),
        (
            "from django.core.handlers.wsgi import WSGIHandler\nclass Mine(WSGIHandler):\n    pass\nserve = Mine()\n",
            "shop.wsgi:serve",
        ),
        (
            "from x import Wrap\nfrom django.core.wsgi import get_wsgi_application\napplication = Wrap(get_wsgi_application())\n",
            "shop.wsgi:application",
        ),
    ],
)
def test_the_wsgi_callable_is_found_under_any_name(tmp_path, text, entry):
    settings = SETTINGS.replace('WSGI_APPLICATION = "shop.wsgi.application"', "")
    assert read(tmp_path, {"shop/wsgi.py": text, "shop/settings.py": settings}).wsgi == entry


def test_settings_that_this_python_cannot_parse_do_not_stop_the_reading(tmp_path):
    more = {**SPLIT, "shop/settings/old.py": "print 'python 2'\n", "shop/settings/weird.py": "\0\0"}
    assert read(tmp_path, more, settings="shop.settings.base").settings == "shop.settings.base"


@pytest.mark.parametrize("name", ["POSTGRES_DB", "DB_NAME", "MYSQL_DATABASE"])
def test_the_name_of_a_database_is_shown_as_a_name(name):
    assert example(name) == "shop"
