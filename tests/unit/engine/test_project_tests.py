"""Which tests are run, with which packages and on which database."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from nuages.engine import throwaway
from nuages.engine.project_tests import choose_database
from nuages.environments.development import development_lines, requirement_names
from nuages.project.standing_in import settings_of_desk
from nuages.project.test_runner import SUMMARY, choose_runner, pytest_options


def environment(**versions):
    return SimpleNamespace(lock=SimpleNamespace(versions=versions))


def files(root, **contents):
    for name, text in contents.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_pytest_is_run_where_it_is_set_up_and_installed(tmp_path):
    files(tmp_path, **{"pyproject.toml": '[tool.pytest.ini_options]\nDJANGO_SETTINGS_MODULE = "shop.test"\n'})
    assert choose_runner("auto", tmp_path, "manage.py", environment(pytest="9")).argv == ("python", "-m", "pytest")
    assert choose_runner("auto", tmp_path, "src/manage.py", environment()).folder == "src"
    assert pytest_options(tmp_path) == {"DJANGO_SETTINGS_MODULE": "shop.test"}


def test_pytest_alone_is_no_wish_for_it(tmp_path):
    assert choose_runner("auto", tmp_path, "manage.py", environment(pytest="9")).argv == (
        "python",
        "manage.py",
        "test",
        "--noinput",
    )


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pytest.ini", "[pytest]\n"),
        ("setup.cfg", "[tool:pytest]\naddopts = -q\n"),
        ("tox.ini", "[pytest]\n"),
        ("pytest.toml", "[pytest]\n"),
    ],
)
def test_pytest_is_configured_in_many_places(tmp_path, name, text):
    assert pytest_options(files(tmp_path, **{name: text})) is not None


def test_a_file_of_another_tool_is_none_of_pytests(tmp_path):
    assert pytest_options(files(tmp_path, **{"setup.cfg": "[flake8]\n", "tox.ini": "[tox]\n"})) is None


def test_a_command_of_ones_own_is_taken_as_it_is(tmp_path):
    assert choose_runner("make test", tmp_path, "manage.py", environment()).argv == ("make", "test")


PYPROJECT = """
[project]
name = "shop"
dependencies = ["django"]
[project.optional-dependencies]
test = ["pytest", "shop[redis]"]
docs = ["sphinx"]
[dependency-groups]
dev = ["ruff", {include-group = "typing"}]
typing = ["mypy>=1"]
[tool.poetry.group.test.dependencies]
factory-boy = "^3.3"
"""


def test_what_a_project_declares_for_development_is_found_in_every_form(tmp_path):
    files(
        tmp_path,
        **{
            "pyproject.toml": PYPROJECT,
            "requirements-dev.txt": "-r requirements.txt\nmodel-bakery\n",
            "requirements.txt": "django==5.2\n",
        },
    )
    lines, places = development_lines(tmp_path, {"django": "5.2"})
    assert set(lines) == {"ruff", "mypy>=1", "pytest", "factory-boy>=3.3,<4", "model-bakery"}
    assert places == ("pyproject.toml", "requirements-dev.txt")


def test_a_package_that_the_site_has_stays_at_the_sites_version(tmp_path):
    files(tmp_path, **{"requirements-dev.txt": "django==4.2\npytest\n"})
    assert development_lines(tmp_path, {"django": "5.2"})[0] == ("pytest",)


def test_files_for_development_are_known_by_their_names(tmp_path):
    names = ("dev-requirements.txt", "requirements/test.txt", "requirements/test.in", "requirements/base.txt", "requirements.txt")
    files(tmp_path, **dict.fromkeys(names, "x\n"))
    assert sorted(requirement_names(tmp_path)) == ["dev-requirements.txt", "requirements/test.txt"]


def test_the_desks_settings_are_those_of_manage_py(tmp_path):
    files(tmp_path, **{"manage.py": 'os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.local")'})
    chosen = SimpleNamespace(manage="manage.py", settings="config.production")
    assert settings_of_desk(chosen, tmp_path) == "config.local"
    assert settings_of_desk(SimpleNamespace(manage="other.py", settings="config.production"), tmp_path) == "config.production"


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("DATABASE_URL", "url"), ("DB_HOST", "host"), ("POSTGRES_PASSWORD", "password"), ("POSTGRES_DB", "name"), ("PGUSER", "user"),
        ("MYAPP_DB_PORT", "port"), ("SQL_ENGINE", "engine"), ("REDIS_URL", ""), ("EMAIL_HOST", ""), ("SECRET_KEY", ""), ("HOST", ""),
    ],
)  # fmt: skip
def test_settings_are_led_to_the_throw_away_database_by_the_names_they_read(name, part):
    assert throwaway.part_of(name) == part


def test_only_what_is_read_is_given():
    database = throwaway.sqlite(Path("/scratch"))
    assert database.variables(["DATABASE_URL", "DB_HOST", "SITE"]) == {"DATABASE_URL": "sqlite:////scratch/tests.sqlite3"}


def site(own, production="sqlite3", reads=("DATABASE_URL",)):
    facts = {"databases": {"default": {"engine": f"django.db.backends.{production}"}}}
    project = SimpleNamespace(probe=SimpleNamespace(facts=facts))
    return SimpleNamespace(project=project), SimpleNamespace(engines=(f"django.db.backends.{own}",), reads=reads)


def test_tests_run_on_what_production_has_where_settings_can_be_led_there():
    assert choose_database("auto", *site("sqlite3", "postgresql")) == "postgresql"
    assert choose_database("auto", *site("sqlite3")) == "sqlite"
    assert choose_database("auto", *site("postgresql", reads=("DB_HOST",))) == "postgresql"
    assert choose_database("sqlite", *site("postgresql")) == "sqlite"


def test_settings_that_name_their_database_themselves_keep_it():
    assert choose_database("auto", *site("sqlite3", "postgresql", reads=("DEBUG",))) == ""


@pytest.mark.parametrize(
    "line",
    [
        "===== 5 passed, 2 warnings in 0.31s =====",
        "5 passed in 0.31s",
        "Ran 12 tests in 0.4s",
        "1 passed, 1 skipped in 61.2s (0:01:01)",
    ],
)
def test_the_runners_own_summary_is_what_is_kept(line):
    assert SUMMARY.match(line)
