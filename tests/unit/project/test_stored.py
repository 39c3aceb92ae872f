"""An inspection is kept as JSON beside its key, and comes back as it was."""

import json
from pathlib import Path

from nuages.environments.model import Environment, Lock, Python, Requirements
from nuages.project import as_json, from_json
from nuages.project.model import Files, Probe, Project
from nuages.secret import Secret


PYTHON = Python("3.12.1", "/usr/bin/python3.12")


def project(**index_environment):
    lock = Lock("django==5.2\n", "d", "project", PYTHON, {"django": "5.2"}, index_environment=index_environment)
    files = Files(Path("/shop"), "manage.py", "shop.settings", (), "shop.wsgi:application", "", Requirements("none"), (), ())
    probe = Probe("5.2", "3.12.1", "shop.settings", (), (), {}, ())
    return Project(files, Environment("/venvs/a", "a", PYTHON, lock), probe, (), "wsgi")


def test_a_project_comes_back_as_it_was_kept():
    found = project(UV_INDEX_STRATEGY="unsafe-best-match")
    assert from_json(json.loads(json.dumps(as_json(found)))) == found


def test_the_password_of_a_private_index_is_not_kept():
    text = json.dumps(as_json(project(UV_INDEX=Secret("https://ada:hunter2@packages.example/simple"))))
    assert "hunter2" not in text
    assert not from_json(json.loads(text)).environment.lock.index_environment
