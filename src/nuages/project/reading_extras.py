"""What else a release needs to know: env files, front-end builds, submodules, translations, first-start commands."""

from __future__ import annotations

import re
from typing import Any

from nuages.project.model import Process
from nuages.project.reading_frontend import read_frontend
from nuages.project.reading_settings import DEPLOYS, SettingsChoice
from nuages.project.tree import Tree, is_aside, parent


DEPTH = 3  # deeper files belong to parts of the project
ENV_FILE = re.compile(r"(^|/)(\.env(\.[\w-]+)*|[\w-]*\.env|\.environment|env\.(example|sample|template|dist))$")


def read_extras(tree: Tree, manage: str, settings: SettingsChoice, processes: tuple[Process, ...]) -> dict[str, Any]:
    return {
        "env_files": tuple(p for p in tree.paths if ENV_FILE.search(p) and p.count("/") < DEPTH),
        "frontend": read_frontend(tree, manage),
        "system_packages": system_packages(tree),
        "submodules": bool(empty_submodules(tree)),
        "lfs": "filter=lfs" in tree.text(".gitattributes"),
        "translations": untranslated(tree),
        "bootstrap": first_start(tree, settings, processes),
        "writable": writable(tree, settings),
    }


def empty_submodules(tree: Tree) -> list[str]:
    paths = re.findall(r"^\s*path\s*=\s*(.+?)\s*$", tree.text(".gitmodules"), re.MULTILINE)
    return [path for path in paths if path not in tree.folders]


def untranslated(tree: Tree) -> tuple[str, ...]:
    """Translations whose compiled file is not in the repository."""
    return tuple(
        p for p in tree.paths if p.endswith(".po") and "/LC_MESSAGES/" in p and not is_aside(p) and not tree.has(p[:-3] + ".mo")
    )


# Import name or package -> Debian packages with the shared libraries that its wheel does not bring.
LIBRARIES = {
    "django.contrib.gis": "gdal-bin libgdal-dev libgeos-dev libproj-dev",
    "magic": "libmagic1",
    "weasyprint": "libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0",
    "ldap": "libldap-dev libsasl2-dev",
    "pyzbar": "libzbar0",
    "cairosvg": "libcairo2",
    "pdf2image": "poppler-utils",
    "pytesseract": "tesseract-ocr",
    "ffmpeg": "ffmpeg",
    "wand": "libmagickwand-dev",
    "xmlsec": "libxmlsec1-dev",
    "pdfkit": "wkhtmltopdf",
}
IMPORTED = r"^\s*(?:from|import)\s+%s\b"


def system_packages(tree: Tree) -> dict[str, str]:
    found: dict[str, str] = {}
    for path in tree.python():
        if is_aside(path):
            continue
        text = tree.text(path)
        for name, packages in LIBRARIES.items():
            if name not in found and name in text and re.search(IMPORTED % re.escape(name), text, re.MULTILINE):
                found[name] = packages
    return found


DAILY = {
    "migrate",
    "collectstatic",
    "runserver",
    "check",
    "makemigrations",
    "test",
    "shell",
    "createsuperuser",
    "compress",
    "wait_for_db",
    "dbshell",
}
COMMAND = re.compile(r"manage\.py[\"']?,?[ \t]+[\"']?([a-z][\w-]+)((?:[ \t]+[\w./=:@-]+)*)")


def first_start(tree: Tree, settings: SettingsChoice, processes: tuple[Process, ...]) -> tuple[tuple[str, str], ...]:
    """Commands that a first start needs, each with why. They are proposed, never run."""
    found: dict[str, str] = {}
    text = "\n".join(tree.text(s.path) for s in settings.sources)
    if "DatabaseCache" in text:
        found["createcachetable"] = "the cache is kept in the database"
    if untranslated(tree):
        found["compilemessages"] = "translations are not compiled in the repository"
    for path in starting_scripts(tree):
        for name, arguments in COMMAND.findall(tree.text(path)):
            if name not in DAILY and not is_long_running(name) and "$" not in arguments:
                found.setdefault(f"{name}{arguments}".strip(), f"{path} runs it")
    for process in (p for p in processes if p.kind == "release"):
        for name, arguments in COMMAND.findall(process.command):
            if name not in DAILY:
                found.pop(f"{name}{arguments}".strip(), None)  # every release runs it already
    return tuple(found.items())


def starting_scripts(tree: Tree) -> list[str]:
    return [
        p for p in tree.paths if DEPLOYS.search(p) and not is_aside(p) and not p.endswith("Procfile") and p.count("/") <= DEPTH
    ]


def is_long_running(name: str) -> bool:
    return bool(
        re.search(
            r"worker|qcluster|run_?huey|celery|daphne|serve|listen|consume|watch|scheduler|beat|send(alerts|reports)|smtpd",
            name,
        )
    )


WRITES = re.compile(r"(?:MEDIA_ROOT|_STORE|_CACHE_DIR|DATA_DIR|UPLOAD\w*|LOG_DIR)\s*=\s*.*?[\"']([\w./-]+)[\"']")


def writable(tree: Tree, settings: SettingsChoice) -> tuple[str, ...]:
    """Folders that hold only a .gitignore or .gitkeep are kept in a repository to be written to."""
    kept = [parent(p) for p in tree.paths if p.rpartition("/")[2] in (".gitkeep", ".keep", ".gitignore") and "/" in p]
    only = [f for f in kept if sum(1 for p in tree.paths if p.startswith(f"{f}/")) == 1]
    return tuple(
        dict.fromkeys(
            f for f in only if not is_aside(f"{f}/x") and "static" not in f and "migrations" not in f and "templates" not in f
        )
    )
