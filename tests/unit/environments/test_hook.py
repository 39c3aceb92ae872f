"""The hook that every environment carries."""

import os
import subprocess
from pathlib import Path

import pytest

from nuages.environments import hook
from nuages.environments.interpreters import interpreters
from nuages.hosts.local import LocalTransport


RUNTIME = "import os, sys\nrecord = []\ndef install():\n    record.append(1)\n    assert sys.path[0] == os.environ['NUAGES_RELEASE'] + '/runtime'\n"
ASK = "import sys; m = sys.modules.get('nuages_runtime.hook'); print(len(m.record) if m else 'inert'); import _nuages_hook; _nuages_hook.install()"


@pytest.fixture(params=["3.8", "3.11", "3.13"], scope="module")
def python(request, tmp_path_factory):
    """An environment with nothing but the hook in it."""
    series = request.param
    base = next((p for p in interpreters(LocalTransport()) if p.version.startswith(series + ".")), None)
    if not base:
        pytest.skip(f"no Python {series} on this machine")
    root = tmp_path_factory.mktemp("venv")
    subprocess.run([base.path, "-I", "-m", "venv", "--without-pip", root], check=True)
    for site in Path(root).glob("lib/python3*/site-packages"):
        for name, text in hook.FILES.items():
            (site / name).write_text(text)
    return f"{root}/bin/python"


def ask(python, release):
    env = {"PATH": os.defpath, **({"NUAGES_RELEASE": str(release)} if release else {})}
    done = subprocess.run([python, "-c", ASK], env=env, capture_output=True, text=True, check=True, timeout=60)
    assert done.stderr == ""
    return done.stdout.strip()


def test_without_a_release_it_is_inert(python):
    assert ask(python, None) == "inert"


def test_a_release_that_is_gone_does_no_harm(python, tmp_path):
    assert ask(python, tmp_path / "gone") == "inert"


def test_a_release_is_taken_up_once(python, tmp_path):
    package = tmp_path / "runtime" / "nuages_runtime"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "hook.py").write_text(RUNTIME)
    assert ask(python, tmp_path) == "1"
