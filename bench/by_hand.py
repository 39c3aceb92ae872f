"""The peer: the same project deployed by hand, with hand-written production settings, by somebody who knows how."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from measuring import timed
from sites import end_process, environment, free_port, wait_for_answer
from uv import find_uv_bin


SETTINGS = """from {settings} import *

DEBUG = False
SECRET_KEY = "{key}"
ALLOWED_HOSTS = ["localhost"]
STATIC_URL = "/static/"
STATIC_ROOT = "{folder}/collected"
STORAGES = {{
    "default": {{"BACKEND": "django.core.files.storage.FileSystemStorage"}},
    "staticfiles": {{"BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"}},
}}
DATABASES["default"]["CONN_MAX_AGE"] = 60
DATABASES["default"]["OPTIONS"] = {{
    "transaction_mode": "IMMEDIATE",
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
}}
LOGGING = {{
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {{"console": {{"class": "logging.StreamHandler"}}}},
    "root": {{"handlers": ["console"], "level": "WARNING"}},
}}
"""

WSGI = """import os

os.environ["DJANGO_SETTINGS_MODULE"] = "production"

from django.core.wsgi import get_wsgi_application
from whitenoise import WhiteNoise


def immutable(path, url):
    return url.rsplit("/", 1)[-1].count(".") > 1


application = WhiteNoise(
    get_wsgi_application(), root="{folder}/collected", prefix="/static/", max_age=60, immutable_file_test=immutable
)
"""


@dataclass(frozen=True)
class ByHand:
    """`lock` and `python` are those of the release that it is compared with."""

    folder: Path
    lock: str
    python: str
    port: int
    workers: int = 2
    threads: int = 32

    @property
    def bin(self) -> Path:
        return self.folder / "venv" / "bin"

    def install(self) -> None:
        self.uv("venv", "--quiet", "--no-project", "--python", self.python, str(self.folder / "venv"))
        (self.folder / "lock.txt").write_text(self.lock)
        self.uv("pip", "install", "--quiet", "--no-deps", "--python", str(self.bin / "python"), "-r", "lock.txt")

    def uv(self, *words: str) -> None:
        timed((find_uv_bin(), "--no-config", *words), cwd=self.folder, env=environment())

    def manage(self, *words: str) -> None:
        env = environment(DJANGO_SETTINGS_MODULE="production")
        timed((str(self.bin / "python"), "manage.py", *words), cwd=self.folder, env=env)

    def collect(self) -> None:
        self.manage("collectstatic", "--noinput", "--verbosity", "0")

    def compress(self) -> None:
        timed((str(self.bin / "python"), "-m", "whitenoise.compress", "-q", "collected"), cwd=self.folder)

    def serve(self, *, log: bool = True) -> subprocess.Popen:
        """Gunicorn with its usual access log in a file, or without one."""
        options = ["--workers", str(self.workers), "--threads", str(self.threads), "--worker-class", "gthread"]
        options += ["--keep-alive", "10", "--worker-tmp-dir", "/dev/shm", "--bind", f"127.0.0.1:{self.port}"]
        options += ["--access-logfile", "access.log"] if log else []
        argv = (str(self.bin / "python"), "-m", "gunicorn", *options, "production_wsgi:application")
        with (self.folder / "error.log").open("ab") as errors:
            process = subprocess.Popen(argv, cwd=self.folder, env=environment(), stdout=errors, stderr=errors)
        try:
            wait_for_answer(self.port)
        except BaseException:
            end_process(process)
            raise
        return process

    def forget(self) -> None:
        """Nothing of it is left but the project and its hand-written files."""
        for name in ("venv", "collected"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        for path in (*self.folder.glob("*.sqlite3*"), *self.folder.glob("*.log")):
            path.unlink()
        for folder in list(self.folder.rglob("__pycache__")):
            shutil.rmtree(folder, ignore_errors=True)


def by_hand(project: Path, folder: Path, settings: str, environment: Path) -> ByHand:
    """A copy of the project with a settings module and a wsgi module for production written beside manage.py."""
    shutil.copytree(project, folder, ignore=shutil.ignore_patterns("__pycache__", "nuages.toml"))
    (folder / "production.py").write_text(SETTINGS.format(settings=settings, folder=folder, key="k" * 60))
    (folder / "production_wsgi.py").write_text(WSGI.format(folder=folder))
    python = environment / "bin" / "python"
    frozen = subprocess.run(
        (find_uv_bin(), "--no-config", "pip", "freeze", "--quiet", "--python", str(python)),
        capture_output=True,
        text=True,
        check=True,
    )
    return ByHand(folder, frozen.stdout, str(python.resolve()), free_port())
