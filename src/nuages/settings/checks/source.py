"""The project's files as the checks read them: what git tracks, and the settings modules that are in force."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from nuages.errors import HostError
from nuages.hosts.command import run
from nuages.hosts.transport import Transport
from nuages.project.model import Files


BIG = 1_000_000
NOT_OURS = {
    ".git",
    ".hg",
    ".venv",
    "venv",
    "node_modules",
    "__pycache__",
    ".tox",
    "site-packages",
    ".mypy_cache",
}


@dataclass(frozen=True)
class Module:
    """A parsed Python file; `path` is relative to the root."""

    path: str
    tree: ast.Module

    def at(self, node: ast.AST) -> str:
        return f"{self.path}:{getattr(node, 'lineno', 1)}"

    def assignments(self) -> Iterator[tuple[str, ast.expr]]:
        """(NAME, value) of every assignment to a plain upper-case name, at any depth outside functions."""
        for node in walk_outside_functions(self.tree):
            if isinstance(node, ast.Assign):
                yield from ((t.id, node.value) for t in node.targets if isinstance(t, ast.Name) and t.id.isupper())
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
                yield node.target.id, node.value


def walk_outside_functions(tree: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(tree):
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield child
            yield from walk_outside_functions(child)


class Source:
    """Files of one project. Without git every file counts as tracked, except what is never source."""

    def __init__(self, root: Path, files: Files, here: Transport) -> None:
        self.root = root
        self.files = files
        self.here = here

    def git(self, *argv: str, timeout: float = 20) -> str | None:
        """The output of a git command in the project, or None when it fails for whatever reason."""
        try:
            result = self.here.run(run("git", "-c", "core.quotePath=false", *argv, cwd=str(self.root), timeout=timeout))
        except HostError:
            return None
        return result.stdout if result.ok else None

    @cached_property
    def in_git(self) -> bool:
        return (self.git("rev-parse", "--is-inside-work-tree") or "").strip() == "true"

    @cached_property
    def tracked(self) -> tuple[str, ...]:
        """Paths relative to the root, sorted."""
        listed = self.git("ls-files", "-z") if self.in_git else None
        if listed is not None:
            return tuple(sorted(path for path in listed.split("\0") if path))
        return tuple(sorted(self._walk()))

    def _walk(self) -> Iterator[str]:
        for folder, folders, names in os.walk(self.root):
            folders[:] = [f for f in folders if f not in NOT_OURS and not os.path.exists(os.path.join(folder, f, "pyvenv.cfg"))]
            yield from (os.path.relpath(os.path.join(folder, name), self.root) for name in names)

    def text(self, path: str) -> str:
        """The text of a file; empty when it is big, binary, a link or gone."""
        full = self.root / path
        try:
            if full.is_symlink() or full.stat().st_size > BIG:
                return ""
            raw = full.read_bytes()
        except OSError:
            return ""
        return "" if b"\0" in raw[:1024] else raw.decode("utf-8", "replace")

    def parse(self, path: str) -> Module | None:
        try:
            return Module(path, ast.parse(self.text(path)))
        except (SyntaxError, ValueError, RecursionError):
            return None

    @cached_property
    def settings(self) -> tuple[Module, ...]:
        """The settings module and those of the project that it imports, in reading order."""
        found: dict[str, Module] = {}
        self._follow(self.files.settings, found)
        return tuple(found.values())

    def _follow(self, name: str, found: dict[str, Module]) -> None:
        path = self.module_path(name)
        if not path or path in found:
            return
        module = self.parse(path)
        if module is None:
            return
        found[path] = module
        package = name if path.endswith("__init__.py") else name.rpartition(".")[0]
        for imported in star_imports(module.tree, package):
            self._follow(imported, found)

    def module_path(self, name: str) -> str:
        """Where a dotted module is, relative to the root; empty when it is not the project's."""
        if not name:
            return ""
        tail = name.replace(".", "/")
        for base in dict.fromkeys((self.files.manage_dir, self.root, self.root / "src")):
            for candidate in (base / f"{tail}.py", base / tail / "__init__.py"):
                if candidate.is_file() and candidate.is_relative_to(self.root):
                    return str(candidate.relative_to(self.root))
        return ""


def star_imports(tree: ast.AST, package: str) -> Iterator[str]:
    """Modules whose names land in the namespace: only those make settings."""
    for node in walk_outside_functions(tree):
        if not isinstance(node, ast.ImportFrom) or not any(a.name == "*" or a.name.isupper() for a in node.names):
            continue
        if not node.level:
            yield node.module or ""
            continue
        parts = package.split(".")
        base = parts[: len(parts) - node.level + 1]
        yield ".".join([*base, *([node.module] if node.module else [])])
