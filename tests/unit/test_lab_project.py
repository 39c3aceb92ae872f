"""The project of the lab's stories does what its stories rely on, before a host is asked for."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from lab_project import lab_project


ASK = """
import json, os
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
import django; django.setup()
from django.core.management import call_command
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
call_command("makemigrations", "--check", verbosity=0)
call_command("migrate", verbosity=0)
ask = Client(SERVER_NAME="localhost")
home = ask.get("/")
said = [home["X-Version"], home.status_code, ask.get("/version").content.decode(), ask.get("/whoami").json()["host"]]
said += [int(ask.post("/upload", {"cover": SimpleUploadedFile("a", b"12345")}).content)]
said += [int(ask.post("/upload", b"123", "application/octet-stream").content)]
"""
JOBS = """
import subprocess, sys, time
from books.models import Tick
ask.post("/jobs", {"name": "one", "seconds": "0"})
worker, beat = (subprocess.Popen((sys.executable, "manage.py", name)) for name in ("work", "beat"))
while not (ask.get("/jobs").json()[0]["ended"] and Tick.objects.exists()): time.sleep(0.1)
worker.terminate(); beat.terminate()
said += [ask.get("/jobs").json()[0]["runs"], worker.wait(10)]
"""


def told(project, script):
    env = {k: v for k, v in os.environ.items() if k not in ("DJANGO_SETTINGS_MODULE", "DATABASE_URL")}
    argv = (sys.executable, "-c", script + "\nprint('said', json.dumps(said))")
    done = subprocess.run(argv, cwd=project.root, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


def test_answers_tell_their_release(tmp_path):
    project = lab_project(tmp_path / "shop").version(7)
    assert told(project, ASK) == 'said ["7", 200, "7", "localhost", 5, 3]'


def test_a_job_is_done_once_and_the_worker_ends_when_told(tmp_path):
    assert told(lab_project(tmp_path / "shop", jobs=True), ASK + JOBS) == 'said ["1", 200, "1", "localhost", 5, 3, 1, 0]'


@pytest.mark.parametrize("variant", [{"celery": True}, {"sockets": True}, {"celery": True, "sockets": True}])
def test_each_variant_is_a_program(tmp_path, variant):
    project = lab_project(tmp_path / "shop", **variant)
    for path in project.root.rglob("*.py"):
        compile(path.read_text(), path, "exec")
    assert "X-Version" in (project.root / "books/versioned.py").read_text()
