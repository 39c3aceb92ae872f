"""The example's own tests, run as its README says, with packages from the index."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from uv import find_uv_bin


pytestmark = pytest.mark.local
LIBRARY = Path(__file__).parents[2] / "examples" / "library"


@pytest.fixture(scope="module")
def manage(tmp_path_factory):
    """Runs a manage.py command in a copy of the example; returns what it printed."""
    copy = tmp_path_factory.mktemp("example") / "library"
    shutil.copytree(LIBRARY, copy, ignore=shutil.ignore_patterns("db.sqlite3", "media", "__pycache__"))
    uv = (find_uv_bin(), "run", "--quiet", "--no-project", "--with-requirements", "requirements.txt")
    env = {k: v for k, v in os.environ.items() if k not in ("DJANGO_SETTINGS_MODULE", "NUAGES_RELEASE", "PYTHONPATH")}

    def run(*words):
        argv = (*uv, "python", "manage.py", *words)
        done = subprocess.run(argv, cwd=copy, env=env, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout + done.stderr

    return run


def test_the_example_passes_its_own_tests(manage):
    assert "OK" in manage("test")


def test_its_models_have_their_migrations(manage):
    assert "No changes detected" in manage("makemigrations", "--check", "--dry-run")


def test_its_first_migration_may_run_twice(manage):
    manage("migrate")
    manage("migrate", "catalog", "0001")
    manage("migrate")
    counted = manage(
        "shell",
        "-c",
        "from catalog.models import *; print('count', Book.objects.count(), Copy.objects.count(), Loan.objects.count())",
    )
    assert "count 42 84 14" in counted
