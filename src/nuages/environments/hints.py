"""What a project says about its Python, in all the places where projects say it. Hints lie and contradict."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from nuages.environments.forms.poetry_versions import specifier
from nuages.environments.forms.toml_files import read_toml, table
from nuages.environments.model import PythonHint


FOLDERS = (
    "",
    "backend",
    "server",
    "src",
    "app",
    "web",
    "api",
    "docker",
    "compose/production/django",
    "deploy",
)


def python_hints(root: Path) -> tuple[PythonHint, ...]:
    """The most believable first: what installers enforce, what version managers and platforms read, what a comment
    says. `requires-python` and Poetry's python are bounds; the rest name one version each."""
    found = [hint for source in SOURCES for folder in FOLDERS if (root / folder).is_dir() for hint in source(root, folder)]
    return tuple(dict.fromkeys(found))


def binds(hint: PythonHint) -> bool:
    """An installer would refuse a Python outside of it."""
    return hint.where.endswith(("requires-python", "poetry python", "python_requires"))


def exact(version: str) -> str:
    """`3.12.4` and `python-3.12.4` and `3.12` all mean the 3.12 series: patch levels come and go with the machine."""
    found = re.search(r"(?<![\d.])(3\.\d+)", version)
    return f"=={found[1]}.*" if found else ""


def _text(root: Path, folder: str, name: str) -> str:
    with contextlib.suppress(OSError):
        return (root / folder / name).read_bytes()[:20_000].decode("utf-8-sig", "replace")
    return ""


def _hint(spec: str, *where: str) -> Iterator[PythonHint]:
    with contextlib.suppress(InvalidSpecifier):
        if spec and SpecifierSet(spec):
            yield PythonHint(spec, "/".join(w for w in where if w))


def _manifests(root: Path, folder: str) -> Iterator[PythonHint]:
    data: dict[str, Any] = read_toml(root / folder / "pyproject.toml")
    yield from _hint(str(table(data, "project").get("requires-python", "")), folder, "pyproject.toml requires-python")
    poetry = table(data, "tool", "poetry", "dependencies").get("python", "")
    yield from _hint(specifier(str(poetry)), folder, "pyproject.toml poetry python")
    lock = read_toml(root / folder / "uv.lock") if not table(data, "project").get("requires-python") else {}
    yield from _hint(str(lock.get("requires-python", "")), folder, "uv.lock requires-python")
    found = re.search(
        r"python_requires\s*=\s*[\"']?([<>=!~0-9.,* ]+)",
        _text(root, folder, "setup.cfg") or _text(root, folder, "setup.py"),
    )
    yield from _hint(found[1].strip() if found else "", folder, "setup python_requires")


def _version_files(root: Path, folder: str) -> Iterator[PythonHint]:
    for line in _text(root, folder, ".python-version").splitlines()[:5]:
        yield from _hint(exact(line), folder, ".python-version")
    yield from _hint(exact(_text(root, folder, "runtime.txt")[:200]), folder, "runtime.txt")


def _pipfile(root: Path, folder: str) -> Iterator[PythonHint]:
    requires = table(read_toml(root / folder / "Pipfile"), "requires")
    named = requires.get("python_full_version") or requires.get("python_version") or ""
    yield from _hint(exact(str(named)), folder, "Pipfile")


def _tool_versions(root: Path, folder: str) -> Iterator[PythonHint]:
    for line in re.findall(r"^python\s+(.*)$", _text(root, folder, ".tool-versions"), re.MULTILINE)[:1]:
        yield from _hint(exact(line), folder, ".tool-versions")
    mise = table(read_toml(root / folder / ".mise.toml") or read_toml(root / folder / "mise.toml"), "tools").get("python", "")
    yield from _hint(exact(str(mise)), folder, "mise.toml")


def _dockerfiles(root: Path, folder: str) -> Iterator[PythonHint]:
    names = [p.name for p in (root / folder).glob("*ockerfile*") if p.is_file()]
    for name in sorted(names, key=_production_first)[:8]:
        for image in _images(_text(root, folder, name)):
            version = re.search(r"python[^:\s]*:(?:python)?(3\.\d+)|:python(3\.\d+)", image)
            yield from _hint(exact(version[1] or version[2]) if version else "", folder, f"{name} FROM")


def _production_first(name: str) -> tuple[bool, bool, str]:
    return "prod" not in name.lower(), "dev" in name.lower() or "local" in name.lower(), name


def _images(dockerfile: str) -> Iterator[str]:
    """What FROM names, with the defaults of ARG filled in."""
    flags = re.MULTILINE | re.IGNORECASE
    arguments = dict(re.findall(r"^\s*ARG\s+(\w+)\s*=\s*[\"']?([^\s\"']+)", dockerfile, flags))
    for image in re.findall(r"^\s*FROM\s+(?:--\S+\s+)*(\S+)", dockerfile, flags):
        yield re.sub(r"\$\{?(\w+)(?::?-[^}]*)?\}?", lambda found: str(arguments.get(found[1], found[0])), image)


def _headers(root: Path, folder: str) -> Iterator[PythonHint]:
    base = root / folder
    for path in sorted([*base.glob("*requirements*.txt"), *base.glob("requirements/*.txt")])[:20]:
        text = _text(root, "", str(path.relative_to(root)))[:1500]
        found = re.search(r"with python (3\.\d+)", text, re.IGNORECASE) or re.search(r"--python-version[= ](3\.\d+)", text)
        yield from _hint(exact(found[1]) if found else "", str(path.relative_to(root)), "header")


SOURCES = (_manifests, _version_files, _pipfile, _tool_versions, _dockerfiles, _headers)
