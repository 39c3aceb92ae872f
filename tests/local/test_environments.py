"""Locks and environments made by uv on this machine, from the package index."""

import dataclasses
import os
import subprocess
import threading
from types import SimpleNamespace

import pytest

from nuages.environments import build_environment, find_requirements, make_lock, python_hints
from nuages.environments.building import MARKER
from nuages.environments.interpreters import interpreters
from nuages.errors import EnvironmentBuildError
from nuages.hosts.local import LocalTransport


pytestmark = pytest.mark.local
HERE = LocalTransport()


class Watched(LocalTransport):
    """This machine, counting the processes started on it."""

    def __init__(self):
        self.commands = []

    def run(self, command, progress=None):
        self.commands.append(str(command))
        return super().run(command, progress)


def lock_of(root, keep, stack=(), here=HERE, python=""):
    requirements = find_requirements(root, SimpleNamespace(requirements=(), extras=()))
    return make_lock(here, root, requirements, python_hints(root), python, stack, keep, lambda _line: None)


def project(root, text="asgiref==3.8.1\nsqlparse\ndjango==5.2"):
    root.mkdir(exist_ok=True)
    (root / "requirements.txt").write_text(text)
    return root


@pytest.fixture(scope="module")
def locked(tmp_path_factory):
    base = tmp_path_factory.mktemp("site")
    return lock_of(project(base / "shop"), base / "keep", ("whitenoise>=6.6",))


def test_a_lock_holds_every_version_and_names_what_the_stack_added(locked):
    assert locked.versions["django"] == "5.2"
    assert locked.versions["asgiref"] == "3.8.1"
    assert list(locked.added) == ["whitenoise"]
    assert all("==" in line for line in locked.text.splitlines())


def test_a_second_lock_starts_no_process_and_is_the_same(tmp_path):
    root = project(tmp_path / "shop")
    first = lock_of(root, tmp_path / "keep", ("whitenoise",))
    here = Watched()
    interpreters(here)  # the machine's Pythons are known by now
    here.commands.clear()
    assert lock_of(root, tmp_path / "keep", ("whitenoise",), here) == first
    assert here.commands == []


def test_what_the_stack_adds_never_changes_a_version_of_the_project(tmp_path):
    root = project(tmp_path / "shop", "django==4.2.1\ngunicorn==20.1.0\ntyping-extensions==4.7.0")
    lock = lock_of(root, tmp_path / "keep", ("gunicorn>=23", "psycopg[binary]>=3.1"))
    assert lock.versions["gunicorn"] == "20.1.0"
    assert lock.versions["typing-extensions"] == "4.7.0"
    assert "psycopg-binary" in lock.added
    assert "gunicorn 20.1.0" in " ".join(lock.notes)


def test_an_environment_is_built_once_with_its_hook_and_reused(locked, tmp_path):
    environment = build_environment(HERE, locked, tmp_path, lambda _line: None)
    ask = "import django, _nuages_hook; print(django.__version__)"
    assert subprocess.run([environment.executable, "-c", ask], capture_output=True, text=True, check=True).stdout == "5.2\n"
    here = Watched()
    assert build_environment(here, locked, tmp_path, lambda _line: None) == environment
    assert here.commands == []


def test_an_interrupted_build_is_built_again(locked, tmp_path):
    environment = build_environment(HERE, locked, tmp_path, lambda _line: None)
    os.unlink(f"{environment.path}/{MARKER}")
    os.unlink(f"{environment.path}/bin/python")
    assert os.path.exists(build_environment(HERE, locked, tmp_path, lambda _line: None).executable)


def test_two_builds_at_once_make_one_environment(locked, tmp_path):
    here, built = Watched(), []
    threads = [
        threading.Thread(target=lambda: built.append(build_environment(here, locked, tmp_path, lambda _line: None)))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert len(built) == 2
    assert len([command for command in here.commands if " venv " in command]) == 1


def test_a_package_that_no_index_has_is_named(tmp_path):
    with pytest.raises(EnvironmentBuildError, match="nuages-no-such-package"):
        lock_of(project(tmp_path / "shop", "django\nnuages-no-such-package==1"), tmp_path / "keep")


def test_a_store_that_cannot_be_written_is_one_clear_error(locked, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(EnvironmentBuildError, match="can't write"):
        build_environment(HERE, locked, tmp_path / "file" / "venvs", lambda _line: None)


def test_another_python_is_another_environment(locked):
    from nuages.environments.building import environment_key

    other = dataclasses.replace(locked, python=dataclasses.replace(locked.python, version="3.99.0"))
    assert environment_key(other) != environment_key(locked)


def test_a_local_package_is_installed_and_its_change_is_another_lock(tmp_path):
    root = project(tmp_path / "shop", "django==5.2\n-e ./libs/core")
    core = root / "libs" / "core"
    (core / "core").mkdir(parents=True)
    (core / "core" / "__init__.py").write_text("x = 1")
    (core / "pyproject.toml").write_text(
        '[project]\nname = "core"\nversion = "1"\n[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"'
    )
    first = lock_of(root, tmp_path / "keep")
    environment = build_environment(HERE, first, tmp_path / "venvs", lambda _line: None)
    subprocess.run([environment.executable, "-I", "-c", "import core"], check=True)
    (core / "core" / "__init__.py").write_text("x = 2")
    assert lock_of(root, tmp_path / "keep").digest != first.digest


def test_a_member_of_a_uv_workspace_is_installed_and_its_change_is_another_lock(tmp_path):
    from nuages.environments.uv import uv

    root, core = tmp_path / "shop", tmp_path / "shop" / "libs" / "core"
    (core / "core").mkdir(parents=True)
    (core / "core" / "__init__.py").write_text("")
    build = '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
    (core / "pyproject.toml").write_text(f'[project]\nname = "core"\nversion = "1"\n{build}')
    (root / "pyproject.toml").write_text(
        '[project]\nname = "shop"\nversion = "1"\nrequires-python = ">=3.11"\ndependencies = ["django==5.2", "core"]\n'
        '[tool.uv.sources]\ncore = {workspace = true}\n[tool.uv.workspace]\nmembers = ["libs/*"]\n'
    )
    HERE.check(uv("lock", "--python", interpreters(HERE)[0].path, cwd=str(root)))
    first = lock_of(root, tmp_path / "keep")
    assert first.versions["django"] == "5.2"
    environment = build_environment(HERE, first, tmp_path / "venvs", lambda _line: None)
    subprocess.run([environment.executable, "-I", "-c", "import core"], check=True)
    (core / "core" / "__init__.py").write_text("x = 2")
    assert lock_of(root, tmp_path / "keep").digest != first.digest
