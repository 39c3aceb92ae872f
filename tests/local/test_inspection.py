"""Inspection of tiny projects, each by its own Python in an environment with the libraries that settings are read with."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from mini import SETTINGS, shop, topology

from nuages.environments.model import Environment, Lock, Python
from nuages.errors import MissingError, ProjectError
from nuages.hosts.command import run
from nuages.hosts.local import LocalTransport
from nuages.project import as_json, from_json, inspect_project, read_files, report
from nuages.secret import Secret


pytestmark = pytest.mark.local
RUNTIME = Path(__file__).parents[2] / "src/nuages/runtime"
LIBRARIES = (
    "django~=5.2.0",
    "django-environ",
    "python-decouple",
    "environs",
    "django-configurations",
    "dynaconf",
    "celery",
)


@pytest.fixture(scope="session")
def environment(tmp_path_factory):
    here, place = LocalTransport(), tmp_path_factory.mktemp("venv") / "v"
    uv = str(Path(sys.executable).with_name("uv"))
    here.check(run(uv, "venv", "--quiet", "--python", sys.executable, str(place)))
    here.check(run(uv, "pip", "install", "--quiet", "--python", str(place / "bin/python"), *LIBRARIES))
    python = Python(".".join(map(str, sys.version_info[:3])), sys.executable)
    return Environment(str(place), "k", python, Lock("", "", "resolved", python))


@pytest.fixture
def inspect(tmp_path, environment):
    def inspect(files=None, config=None, **more):
        root = shop(tmp_path / "project", files)
        declared = topology(root, **more)
        read = read_files(root, declared)
        config = {k: Secret(v) for k, v in (config or {}).items()}
        return inspect_project(
            read,
            environment,
            declared,
            LocalTransport(),
            config,
            tmp_path / "scratch",
            RUNTIME,
            lambda source: {},
            lambda line: None,
        )

    return inspect


def settings(lines: str) -> dict[str, str]:
    return {"shop/settings.py": SETTINGS + lines}


def missing(inspect, files, config=None):
    with pytest.raises(MissingError) as caught:
        inspect(files, config)
    return caught.value


def test_a_plain_project_is_understood_whole(inspect):
    project = inspect()
    assert project.probe.django.startswith("5.2")
    assert project.probe.facts["databases"]["default"]["vendor"] == "sqlite"
    assert project.probe.facts["migrations"]["modules"] > 0
    assert [(p.name, p.kind) for p in project.processes] == [("web", "web")]
    assert project.interface == "wsgi"
    assert project.probe.facts["problems"] == []


def test_a_finding_is_kept_as_json_and_comes_back_the_same(inspect):
    project = inspect()
    assert from_json(json.loads(json.dumps(as_json(project)))) == project


def test_the_report_is_short_and_names_what_matters(inspect):
    text = report(inspect())
    assert "shop.settings" in text
    assert len(text.splitlines()) < 35
    assert "scratch" not in text


READERS = {
    "django-environ": "import environ\nenv = environ.Env()\nA = env('API_TOKEN')\nB = env.int('SMTP_PORT')\nC = env.db('DATABASE_URL')\nD = env.bool('FEATURE', default=False)\n",
    "decouple": "from decouple import config\nA = config('API_TOKEN')\nB = config('SMTP_PORT', cast=int)\nC = config('DATABASE_URL')\nD = config('FEATURE', default=False, cast=bool)\n",
    "environs": "from environs import Env\nenv = Env()\nA = env('API_TOKEN')\nB = env.int('SMTP_PORT')\nC = env.str('DATABASE_URL')\nD = env.bool('FEATURE', False)\n",
    "os.environ": "import os\nA = os.environ['API_TOKEN']\nB = int(os.environ.get('SMTP_PORT'))\nC = os.getenv('DATABASE_URL').split(':')\nD = os.environ.get('FEATURE', '')\n",
}


@pytest.mark.parametrize("library", READERS)
def test_all_that_is_missing_is_named_at_once_and_what_has_a_default_is_not(inspect, library):
    error = missing(inspect, settings(READERS[library]))
    assert [m.name for m in error.missing] == ["API_TOKEN", "SMTP_PORT", "DATABASE_URL"]
    assert all(m.needed_by.startswith("shop/settings.py:") for m in error.missing)
    assert "nuages config set SMTP_PORT=1" in error.detail


@pytest.mark.parametrize("library", READERS)
def test_given_what_was_missing_it_comes_up(inspect, library):
    given = {"API_TOKEN": "t", "SMTP_PORT": "25", "DATABASE_URL": "sqlite:////tmp/nowhere.sqlite3"}
    names = {row["name"] for row in inspect(settings(READERS[library]), given).probe.environ}
    assert {*given, "FEATURE"} <= names


def test_nobody_is_asked_for_the_secret_key(inspect):
    text = SETTINGS.replace('"django-insecure-for-tests"', "__import__('os').environ['APP_SECRET']")
    project = inspect({"shop/settings.py": text})
    assert project.probe.facts["generated_names"] == {"SECRET_KEY": ["APP_SECRET"]}


def test_the_secret_key_of_another_service_is_asked_for(inspect):
    error = missing(inspect, settings("import os\nAWS_SECRET_KEY = os.environ['AWS_SECRET_KEY']\n"))
    assert [m.name for m in error.missing] == ["AWS_SECRET_KEY"]


def test_an_ignored_env_file_that_has_it_is_offered_for_import(inspect):
    more = {**settings("import os\nA = os.environ['API_TOKEN']\n"), ".env": "API_TOKEN=abc\n"}
    error = missing(inspect, more)
    assert "nuages config import .env" in error.detail
    assert "abc" not in error.detail


def test_a_missing_file_is_asked_for_with_the_variables_after_it(inspect):
    lines = "import json, os\nwith open(BASE_DIR / 'secrets.json') as f:\n    S = json.load(f)\nA = os.environ['API_TOKEN']\n"
    error = missing(inspect, settings(lines))
    assert [(m.kind, m.name) for m in error.missing] == [("file", "secrets.json"), ("variable", "API_TOKEN")]
    assert "nuages config set --file secrets.json=@secrets.json" in error.detail


def test_a_package_that_is_not_required_is_named(inspect):
    error = missing(inspect, settings("import flask_for_django\n"))
    assert [(m.kind, m.name) for m in error.missing] == [("module", "flask_for_django")]


def test_a_configuration_class_is_set_up_and_asked(inspect):
    text = SETTINGS.replace("\n", "\n    ")
    text = f"from configurations import Configuration, values\nclass Dev(Configuration):\n    pass\nclass Production(Configuration):\n    {text}\n    MAIL_TOKEN = values.SecretValue()\n"
    error = missing(inspect, {"shop/settings.py": text})
    assert [m.name for m in error.missing] == ["DJANGO_MAIL_TOKEN"]


def test_what_settings_print_and_write_harms_nobody(inspect, tmp_path):
    lines = "print('hello')\n(BASE_DIR / 'var').mkdir(exist_ok=True)\n(BASE_DIR / 'var/key.txt').write_text('x')\nopen(__file__, 'a').write('# touched')\n"
    project = inspect(settings(lines))
    assert {"var/key.txt", "shop/settings.py"} <= set(project.probe.files_written)
    assert project.files.writable == ("var",)
    assert not (tmp_path / "project/var").exists()
    assert not (tmp_path / "project/shop/settings.py").read_text().endswith("# touched")


def test_a_folder_for_logs_is_made_and_not_asked_for(inspect):
    lines = "LOGGING = {'version': 1, 'handlers': {'f': {'class': 'logging.FileHandler', 'filename': BASE_DIR / 'logs/a.log'}}, 'root': {'handlers': ['f']}}\n"
    assert inspect(settings(lines)).files.writable == ("logs",)


def test_settings_that_end_python_are_an_error_not_a_hang(inspect):
    with pytest.raises(ProjectError, match="status 7"):
        inspect(settings("import os\nos._exit(7)\n"))


def test_an_error_names_the_line_and_never_a_configured_value(inspect):
    with pytest.raises(ProjectError) as caught:
        inspect(settings("import os\nA = int(os.environ['API_TOKEN'])\n"), {"API_TOKEN": "s3cr3t-value"})
    told = f"{caught.value} {caught.value.detail}"
    assert "shop/settings.py:" in told
    assert "s3cr3t" not in told


def test_broken_urls_are_found_although_settings_are_fine(inspect):
    with pytest.raises(ProjectError, match="SyntaxError"):
        inspect({"shop/urls.py": "urlpatterns = [\n"})


def test_celery_and_its_schedule_are_processes(inspect):
    celery = "from celery import Celery\napp = Celery('shop')\napp.config_from_object('django.conf:settings', namespace='CELERY')\napp.conf.beat_schedule = {'nightly': {'task': 'x', 'schedule': 60}}\n"
    project = inspect({"shop/celery.py": celery, "shop/__init__.py": "from .celery import app as celery_app\n"})
    assert [(p.name, p.kind) for p in project.processes] == [
        ("web", "web"),
        ("worker", "worker"),
        ("beat", "scheduler"),
    ]
    assert "celery -A shop worker" in project.processes[1].command


def test_the_procfile_wins_over_detection(inspect):
    celery = "from celery import Celery\napp = Celery('shop')\n"
    procfile = "web: gunicorn shop.wsgi --workers 3\njobs: celery -A shop worker -c 2\n"
    project = inspect({"shop/celery.py": celery, "shop/__init__.py": "from .celery import app\n", "Procfile": procfile})
    assert [p.name for p in project.processes] == ["web", "jobs"]
    assert "gunicorn is translated" in project.processes[0].note
    assert "workers 3" in project.processes[0].note
