"""The overlay is in force on a plain startproject under every Django and Python that are supported."""

import json
import os
import subprocess
from pathlib import Path

import pytest


ROOT = Path(__file__).parents[2]
UV = ROOT / ".venv" / "bin" / "uv"
VERSIONS = [("4.2", "3.8"), ("4.2", "3.12"), ("5.2", "3.13"), ("6.0", "3.12"), ("6.1", "3.13")]
REPORT = """
import json, django
django.setup()
from django.conf import settings
from django.test import Client
from nuages_runtime import hook, overlay
ask = lambda path, host: Client(HTTP_HOST=host).get(path)
missing = ask("/nope", "localhost")
print(json.dumps({"django": django.get_version(), "differs": overlay.read_back(), "errors": hook.RECORD["errors"], "debug": settings.DEBUG,
    "missing": [missing.status_code, "Page not found" in missing.content.decode()], "login": ask("/admin/login/", "localhost").status_code,
    "bad_host": ask("/", "evil.example").status_code}))
"""


def python_of(version):
    """From pyenv, which need not be on the PATH, else where uv looks."""
    kept = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python3"))
    found = subprocess.run([UV, "python", "find", "--no-python-downloads", version], capture_output=True, text=True, check=False)
    return str(kept[0]) if kept else found.stdout.strip()


@pytest.mark.local
@pytest.mark.parametrize(("django", "python"), VERSIONS)
def test_a_new_project_is_in_production_mode(django, python, tmp_path):
    interpreter = python_of(python)
    if not interpreter:
        pytest.skip(f"no Python {python} on this machine")
    venv, project, release = tmp_path / "venv", tmp_path / "project", tmp_path / "release"
    subprocess.run([UV, "venv", "-q", "--python", interpreter, venv], check=True)
    subprocess.run([UV, "pip", "install", "-q", "--python", venv / "bin" / "python", f"django=={django}.*"], check=True)
    project.mkdir()
    subprocess.run([venv / "bin" / "django-admin", "startproject", "shop", project], check=True)
    (release / "runtime").mkdir(parents=True)
    (release / "runtime" / "nuages_runtime").symlink_to(ROOT / "src" / "nuages" / "runtime")
    places = {name: str(tmp_path / name) for name in ("static_root", "media_root", "data_dir")}
    policy = {"site": "shop", "settings_module": "shop.settings", "project": str(project), "manage_dir": str(project), **places}
    (release / "policy.json").write_text(json.dumps(policy))
    env = {"PATH": os.defpath, "NUAGES_RELEASE": str(release), "NUAGES_SECRET_KEY": "k" * 50, "DJANGO_SETTINGS_MODULE": "shop.settings",
           "PYTHONPATH": f"{release / 'runtime'}:{project}"}  # fmt: skip

    def run(*argv):
        done = subprocess.run([venv / "bin" / "python", *argv], cwd=project, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    install = "import nuages_runtime.hook as hook; hook.install()\n"
    run(
        "-c",
        install
        + "from django.core.management import call_command as c\nimport django; django.setup()\nc('collectstatic', interactive=False, verbosity=0)",
    )
    answer = json.loads(run("-c", install + REPORT))
    assert answer.pop("django").startswith(django)
    assert answer == {"differs": [], "errors": [], "debug": False, "missing": [404, True], "login": 200, "bad_host": 400}
