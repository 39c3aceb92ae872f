"""A toy Django project on disk whose releases differ by a model and a migration, and its runtime modules run for real."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path


RUNTIME = Path(__file__).parents[2] / "src" / "nuages" / "runtime"

SETTINGS = """
import json, os
SECRET_KEY = "toy"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = ["shop"]
DATABASES = {"default": json.loads(os.environ["TOY_DATABASE"])}
"""


BOOK = """class Book(models.Model):
    title = models.CharField(max_length=20)
    isbn = models.CharField(max_length=20)
"""
ID = '("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"))'
BOOK_OPERATION = f'migrations.CreateModel("Book", [{ID}, ("title", models.CharField(max_length=20)), ("isbn", models.CharField(max_length=20))])'


class Toy:
    """`write` gives the shop app its models and migrations; each call of `run` is a process of its own."""

    def __init__(self, folder: Path, database: dict[str, object] | None = None, python: str = sys.executable) -> None:
        self.folder, self.python = folder, python
        self.database = database or {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": str(folder.parent / "live.sqlite3"),
        }
        (folder / "toy").mkdir(parents=True)
        (folder / "toy" / "__init__.py").touch()
        (folder / "toy" / "settings.py").write_text(SETTINGS)
        shutil.copytree(RUNTIME, folder / "runtime" / "nuages_runtime", ignore=shutil.ignore_patterns("__pycache__"))
        (folder / "runtime" / "nuages_runtime" / "__init__.py").touch()
        (folder / "shop" / "migrations").mkdir(parents=True)
        (folder / "shop" / "__init__.py").touch()
        (folder / "shop" / "migrations" / "__init__.py").touch()

    def write(self, models: str, **migrations: str) -> Toy:
        """`m0002_title="operations = [...]"` becomes shop/migrations/0002_title.py."""
        (self.folder / "shop" / "models.py").write_text("from django.db import models\n" + textwrap.dedent(models))
        previous = ""
        for path in sorted((self.folder / "shop" / "migrations").glob("0*.py")):
            previous = path.stem
        for key, body in migrations.items():
            name = key.removeprefix("m")
            depends = f'dependencies = [("shop", "{previous}")]' if previous else "dependencies = []"
            text = "import uuid\nfrom django.db import migrations, models\n"
            head, _, tail = textwrap.dedent(body).strip().partition("class Migration")
            operations = tail or head
            prelude = head if tail else ""
            lines = textwrap.indent(operations.removeprefix(":").strip(), "    ")
            text += f"{prelude}\nclass Migration(migrations.Migration):\n    {depends}\n{lines}\n"
            (self.folder / "shop" / "migrations" / f"{name}.py").write_text(text)
            previous = name
        return self

    def copy(self, folder: Path) -> Toy:
        """The next release of the same project, on the same database."""
        shutil.copytree(self.folder, folder, ignore=shutil.ignore_patterns("__pycache__"))
        other = object.__new__(Toy)
        other.folder, other.python, other.database = folder, self.python, self.database
        return other

    def run(self, *argv: str, check: bool = True, stdin: str = "") -> subprocess.CompletedProcess[str]:
        result = subprocess.run(
            [self.python, *argv],
            cwd=self.folder,
            env=self.env(),
            capture_output=True,
            text=True,
            input=stdin,
            timeout=300,
            check=False,
        )
        assert not check or result.returncode == 0, result.stdout + result.stderr
        return result

    def start(self, *argv: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [self.python, *argv],
            cwd=self.folder,
            env=self.env(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def env(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "DJANGO_SETTINGS_MODULE": "toy.settings",
            "PYTHONPATH": f"{self.folder}{os.pathsep}{self.folder / 'runtime'}",
            "PYTHONDONTWRITEBYTECODE": "1",
            "TOY_DATABASE": json.dumps(self.database),
        }

    def module(self, name: str, *argv: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.run("-m", f"nuages_runtime.{name}", *argv, check=check)

    def ask(self, name: str, *argv: str) -> dict:
        """A module that writes its answer with --out."""
        out = self.folder.parent / f"{self.folder.name}-{name}.json"
        self.module(name, *argv, "--out", str(out))
        return json.loads(out.read_text())

    def migrate(self) -> None:
        self.run("-m", "django", "migrate", "--verbosity=0")

    def shell(self, code: str, *, check: bool = True) -> str:
        result = self.run(
            "-c",
            "import django; django.setup()\nfrom shop.models import *\n" + textwrap.dedent(code),
            check=check,
        )
        return (result.stdout + result.stderr).strip()
