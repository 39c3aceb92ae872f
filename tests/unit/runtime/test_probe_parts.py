"""The probe's parts, run here as the package that releases carry."""

from __future__ import annotations

import datetime as dt
import importlib
import json
import os
import sys
from pathlib import Path

import pytest


RUNTIME = Path(__file__).parents[3] / "src/nuages/runtime"


@pytest.fixture
def part(tmp_path, monkeypatch):
    """Import modules of the runtime under the name that they have in a release."""
    (tmp_path / "nuages_runtime").symlink_to(RUNTIME)
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield lambda name: importlib.import_module(f"nuages_runtime.{name}")
    for name in set(sys.modules) - before:
        if name.startswith("nuages_runtime"):
            del sys.modules[name]


class Loop(dict):
    pass


def loop():
    found = Loop()
    found["self"] = found
    return found


class Broken:
    def __str__(self):
        raise RuntimeError


@pytest.mark.parametrize(
    "value",
    [
        loop(),
        {1, "a", (2,)},
        Path("/x"),
        float("nan"),
        b"\xff",
        Broken(),
        {Path("/k"): dt.timedelta(1)},
        "\udc80",
        lambda: 1,
        {"a": [(1, {2})]},
    ],
)
def test_any_value_becomes_json(part, value):
    assert json.loads(json.dumps(part("probe_json").plain(value), allow_nan=False)) is not object


class Recorded:
    """A recorder that has seen these names come back empty-handed."""

    def __init__(self, *names, at=""):
        self.names, self.at = names, at

    def unset(self):
        return list(self.names)

    without_default = unset

    def unset_at(self, where):
        return list(self.names) if self.at and self.at == where else []


def caught(make):
    try:
        make()
    except Exception as error:  # noqa: BLE001
        return error
    raise AssertionError


def raising(error):
    def make():
        raise error

    return make


class ImproperlyConfigured(Exception):  # noqa: N818 - Django's name
    pass


@pytest.mark.parametrize(
    ("error", "kind", "name"),
    [
        (KeyError("API_TOKEN"), "missing_variable", "API_TOKEN"),
        (ImproperlyConfigured("Set the MAIL_TOKEN environment variable"), "missing_variable", "MAIL_TOKEN"),
        (
            Exception("MAIL_TOKEN not found. Declare it as envvar or define a default value."),
            "missing_variable",
            "MAIL_TOKEN",
        ),
        (Exception('Environment variable "MAIL_TOKEN" not set'), "missing_variable", "MAIL_TOKEN"),
        (
            ValueError("Value 'MAIL' is required to be set as the environment variable 'DJANGO_MAIL'"),
            "missing_variable",
            "DJANGO_MAIL",
        ),
        (
            ImproperlyConfigured("HOSTS_ALLOWED environment variable must be set when DEBUG=False."),
            "missing_variable",
            "HOSTS_ALLOWED",
        ),
        (RuntimeError("please provide API_TOKEN"), "missing_variable", "API_TOKEN"),
        (ModuleNotFoundError("No module named 'x'", name="x"), "missing_module", "x"),
        (FileNotFoundError(2, "No such file", "/etc/x.json"), "missing_file", "/etc/x.json"),
        (ImportError("_psycopg.so: undefined symbol: _PyInterpreterState_Get", name="_psycopg"), "wrong_build", "_psycopg"),
        (ImportError("libgdal.so.32: cannot open shared object file"), "missing_library", "libgdal.so.32"),
        (ImproperlyConfigured("The SECRET_KEY setting must not be empty."), "empty_setting", "SECRET_KEY"),
        (OSError("connection refused"), "service_refused", ""),
        (RuntimeError("something else"), "error", ""),
    ],
)
def test_an_error_is_told_as_what_is_missing(part, tmp_path, error, kind, name):
    found = part("probe_failures").describe(caught(raising(error)), Recorded("API_TOKEN"), str(tmp_path))
    assert (found["kind"], found["name"]) == (kind, name)


def test_a_project_module_that_is_absent_counts_more_than_a_variable_that_is_spoken_of(part, tmp_path):
    def make():
        try:
            importlib.import_module("shop_conf_that_is_not_there")
        except ModuleNotFoundError:
            raise ImproperlyConfigured("shop.conf not found; or use API_TOKEN")  # noqa: B904 - as projects do

    found = part("probe_failures").describe(caught(make), Recorded("API_TOKEN"), str(tmp_path))
    assert (found["kind"], found["name"]) == ("missing_module", "shop_conf_that_is_not_there")


def run_recorded(part, root, code, environ=()):
    recorder = part("probe_environ").Recorder(str(root))
    path = root / "settings.py"
    path.write_text(code)
    recorder.install()
    try:
        exec(compile(code, str(path), "exec"), {"__name__": "settings"})
    finally:
        recorder.uninstall()
    return {row["name"]: row for row in recorder.reads()}


@pytest.mark.parametrize(
    ("code", "default"),
    [
        ("import os; os.environ.get('SHOP_X', 'd')", "d"),
        ("import os; os.getenv('SHOP_X', 3)", 3),
        ("from os import environ; 'SHOP_X' in environ", None),
    ],
)
def test_every_way_of_reading_a_variable_is_recorded_with_its_default(part, tmp_path, code, default):
    row = run_recorded(part, tmp_path, code)["SHOP_X"]
    assert (row["default"], row["found"], row["where"]) == (default, False, "settings.py:1")


def test_the_default_of_a_secret_is_not_shown(part, tmp_path):
    assert run_recorded(part, tmp_path, "import os; os.getenv('SHOP_TOKEN', 'abc')")["SHOP_TOKEN"]["default"] == "***"


def test_what_the_interpreter_and_libraries_read_is_not_the_projects(part, tmp_path):
    assert run_recorded(part, tmp_path, "import os, tempfile; os.path.expanduser('~'); tempfile.gettempdir()") == {}


def test_the_environment_is_as_it_was_after_recording(part, tmp_path):
    before = type(os.environ).__getitem__
    run_recorded(part, tmp_path, "import os; os.environ.get('SHOP_X')")
    assert type(os.environ).__getitem__ is before
    assert "get" not in type(os.environ).__dict__


def test_what_classes_of_django_configurations_declare_is_the_settings_modules(part, tmp_path, monkeypatch):
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "shop.settings")
    recorder = part("probe_environ").Recorder(str(tmp_path))
    recorder.install()
    try:
        exec("import os; 'DJANGO_SECRET_KEY' in os.environ", {"__name__": "configurations.values"})
        exec("import os; 'OTHER' in os.environ", {"__name__": "somebodys.library"})
    finally:
        recorder.uninstall()
    assert [(row["name"], row["where"]) for row in recorder.reads()] == [("DJANGO_SECRET_KEY", "shop/settings.py")]
