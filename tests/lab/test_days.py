"""A day with Nuages of somebody who comes from Kamal, and of one who comes from Dokku: their guides, played line by line.

The address in a guide is that of the lab's host: `--rehearse` puts it in place of the one that stands there.
"""

from __future__ import annotations

import shlex
import subprocess

import pytest
from lab_project import lab_project
from live_site import NUAGES
from played import script


@pytest.fixture
def newcomer(lab, tmp_path):
    """A project under git that no nuages.toml was written for, and a server."""
    lab.up("web-1", disk="4G")
    project = lab_project(tmp_path / "shop", jobs=True)
    git(project.root, "init", "-q", "-b", "main")
    commit(project.root)
    environ = clean() | {"XDG_DATA_HOME": str(tmp_path / "state"), "NUAGES_REHEARSAL": lab.ssh_config}
    yield project.root, environ
    lab.down("web-1")


def clean():
    import os

    kept = {k: v for k, v in os.environ.items() if not k.startswith(("NUAGES_", "PYTEST_", "COV_")) and k != "PYTHONPATH"}
    return kept | {"NO_COLOR": "1", "PATH": f"{NUAGES.parent}:{os.environ['PATH']}", "EDITOR": "true"}


def git(root, *words):
    who = ("-c", "user.name=ada", "-c", "user.email=ada@shop.example")
    subprocess.run(["git", *who, *words], cwd=root, check=True, capture_output=True)


def commit(root):
    git(root, "add", "-A")
    git(root, "commit", "-q", "--allow-empty", "-m", "as it is now")


def play(guide, root, environ):
    """Types it all; what was said, by command. What must be committed to be pushed is."""
    said = {}
    for kind, text in script(guide):
        if kind == "write":
            path = root / "nuages.toml"
            path.write_text(path.read_text() + "\n" + text)
            continue
        if text.startswith("git push"):
            commit(root)
        done = subprocess.run(
            shlex.split(text), cwd=root, env=environ, input="", capture_output=True, text=True, check=False, timeout=900
        )
        said[text] = done.stdout + done.stderr
        assert done.returncode == 0, f"{text}\n{said[text]}"
    return said


@pytest.mark.timeout(2400)
def test_a_kamal_users_day(newcomer):
    said = play("from-kamal.md", *newcomer)
    assert "v1 is live" in said["nuages deploy"] or "nothing to do" in said["nuages deploy"]
    assert "[X] 0001_initial" in said["nuages run python manage.py showmigrations"]
    assert "is live at" in said["nuages promote staging production"]


@pytest.mark.timeout(2400)
def test_a_dokku_users_day(newcomer):
    said = play("from-dokku.md", *newcomer)
    assert "[new branch]" in said["git push production main"]
    assert "API_KEY" in said["nuages config"]
    assert "web=2" in said["nuages ps:scale web=2 worker=1"] or "is live" in said["nuages ps:scale web=2 worker=1"]
