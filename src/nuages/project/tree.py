"""The project's files as text and as syntax trees: read once, never imported."""

from __future__ import annotations

import ast
import os
import warnings
from collections.abc import Iterable, Iterator
from functools import cached_property, lru_cache
from pathlib import Path


SKIPPED = {
    ".git", ".hg", ".svn", "node_modules", "bower_components", "__pycache__", "site-packages", ".tox", ".nox",
    ".venv", "venv", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".cache", ".idea", ".vscode", ".terraform",
}  # fmt: skip
# Larger files are data or bundles; nothing that names a settings module is that long.
TEXT_LIMIT = 400_000


class Tree:
    """`paths` are relative to `root`, with forward slashes, sorted by depth and then by name."""

    def __init__(self, root: Path, listing: Iterable[str] | None = None) -> None:
        self.root = root
        found = walk(root) if listing is None else (path for path in listing if not skipped(path))
        self.paths = tuple(sorted(found, key=lambda path: (path.count("/"), path)))
        self.text = lru_cache(maxsize=None)(self._text)
        self.syntax = lru_cache(maxsize=None)(self._syntax)

    @cached_property
    def files(self) -> frozenset[str]:
        return frozenset(self.paths)

    @cached_property
    def folders(self) -> frozenset[str]:
        found: set[str] = {"."}
        for path in self.paths:
            folder = parent(path)
            while folder and folder not in found:
                found.add(folder)
                folder = parent(folder)
        return frozenset(found)

    def named(self, *names: str) -> list[str]:
        return [path for path in self.paths if path.rpartition("/")[2] in names]

    def python(self) -> Iterator[str]:
        return (path for path in self.paths if path.endswith(".py"))

    def has(self, path: str) -> bool:
        return path in self.files

    def _text(self, path: str) -> str:
        """The text of a file, "" when it can't be read; undecodable bytes are replaced."""
        try:
            with open(self.root / path, "rb") as file:
                return file.read(TEXT_LIMIT).decode("utf-8-sig", "replace")
        except (OSError, ValueError):
            return ""

    def parses(self, path: str) -> bool:
        """Is it Python, as far as this Python knows?"""
        try:
            compile(self.text(path), path, "exec", flags=ast.PyCF_ONLY_AST, dont_inherit=True)
        except (SyntaxError, ValueError):
            return False
        return True

    def _syntax(self, path: str) -> ast.Module:
        """The syntax tree of a Python file; an empty one when this Python can't parse it."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                return ast.parse(self.text(path))
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                return ast.Module(body=[], type_ignores=[])

    def module_file(self, module: str, bases: Iterable[str]) -> str:
        """Where `a.b` lives, looked for under each base folder ("" is the root)."""
        inside = module.replace(".", "/")
        for base in bases:
            stem = f"{base}/{inside}" if base not in ("", ".") else inside
            for path in (f"{stem}.py", f"{stem}/__init__.py"):
                if path in self.files:
                    return path
        return ""


def walk(root: Path) -> Iterator[str]:
    for folder, names, files in os.walk(root):
        names[:] = sorted(n for n in names if n not in SKIPPED and not os.path.exists(f"{folder}/{n}/pyvenv.cfg"))
        relative = os.path.relpath(folder, root).replace(os.sep, "/")
        prefix = "" if relative == "." else f"{relative}/"
        yield from (prefix + name for name in files)


def skipped(path: str) -> bool:
    return not SKIPPED.isdisjoint(path.split("/"))


def parent(path: str) -> str:
    """The folder of a path; "" for the root."""
    return path.rpartition("/")[0]


def module_name(path: str, base: str) -> str:
    """`src/shop/settings/__init__.py` seen from `src` is `shop.settings`."""
    inside = path.removeprefix(f"{base}/") if base else path
    return inside.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


ASIDE = {
    "tests",
    "test",
    "testing",
    "docs",
    "doc",
    "examples",
    "example",
    "sample",
    "samples",
    "demo",
    "e2e",
    "fixtures",
    "templates",
    "project_template",
}


def is_aside(path: str) -> bool:
    """Tests, documentation and examples inside a repository are not the project."""
    return not ASIDE.isdisjoint(part.lower() for part in path.split("/")[:-1])
