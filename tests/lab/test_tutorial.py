"""The tutorials, played line by line: on a host of the lab, and on this machine."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from live_site import NUAGES
from tutorial import play


EXAMPLE = Path(__file__).parents[2] / "examples" / "library"


@pytest.fixture
def learner(tmp_path):
    """The example as somebody has it, and an environment of their own."""
    root = tmp_path / "library"
    shutil.copytree(EXAMPLE, root, ignore=shutil.ignore_patterns("db.sqlite3", "nuages.toml", "__pycache__"))
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("NUAGES_", "PYTEST_", "COV_")) and k != "PYTHONPATH"}
    home = {"HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path / "state"), "XDG_CACHE_HOME": os.path.expanduser("~/.cache")}
    path = {"PATH": f"{NUAGES.parent}:{os.environ['PATH']}"}
    python = {"UV_PYTHON_INSTALL_DIR": os.path.expanduser("~/.local/share/uv/python")}
    return root, kept | home | path | python | {"NO_COLOR": "1"}


@pytest.mark.timeout(2400)
def test_a_server_in_fifteen_minutes(lab, lab_host, learner):
    host = lab_host("web-1", disk="4G")
    root, environ = learner

    def real(line):
        named = line.replace("/var/lib/nuages-lab/labs/lab/ssh_config", lab.ssh_config).replace("198.18.0.11", host.address)
        return named + "; sleep 15" if "reboot" in line else named

    told = play("server.md", root, environ | {"NUAGES_LAB": lab.name}, real)
    assert "was changed by hand" in told["nuages drift"]
    assert "library is gone from web-1" in told["nuages destroy"]


@pytest.mark.timeout(900)
def test_a_site_in_ten_minutes(learner):
    root, environ = learner
    try:
        told = play("index.md", root, environ)
        assert "is live at" in told["nuages rollback"]
    finally:
        import subprocess

        subprocess.run([str(NUAGES), "destroy", "--yes", "library"], cwd=root, env=environ, check=False, capture_output=True)
