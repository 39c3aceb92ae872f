"""Wishes that only a tool can tell: the export of a uv.lock, and metadata that a build backend computes."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from packaging.requirements import Requirement

from nuages.environments.explain import explain
from nuages.environments.forms.toml_files import relative
from nuages.environments.model import Python
from nuages.environments.resolver import index_environment, pins
from nuages.environments.uv import uv
from nuages.environments.wishes import SKIPPED_FOLDERS, Wishes
from nuages.errors import EnvironmentBuildError
from nuages.hosts.transport import Transport


def complete(here: Transport, root: Path, wishes: Wishes, python: Python) -> Wishes:
    """Wishes with all their lines."""
    if wishes.export:
        return _export(here, root, wishes, python)
    if wishes.dynamic:
        return _dynamic(here, root, wishes, python)
    return wishes


def _export(here: Transport, root: Path, wishes: Wishes, python: Python) -> Wishes:
    folder = root / wishes.export
    arguments = (
        "--frozen",
        "--no-default-groups",
        "--no-emit-project",
        "--no-hashes",
        "--no-header",
        "--no-annotate",
        "--quiet",
    )
    result = here.run(uv("export", *arguments, *wishes.export_arguments, "--python", python.path, cwd=str(folder)))
    if not result.ok:
        what, detail, hint = explain(result.stderr, python)
        raise EnvironmentBuildError(what, where="uv.lock", detail=detail, hint=hint)
    lines = tuple(_from_root(wishes.export, line) for line in _lines(result.stdout))
    return replace(wishes, lines=lines, complete=True)


def _from_root(folder: str, line: str) -> str:
    return f"./{relative(folder, line[2:])}" if line.startswith("./") else line


def _lines(text: str) -> tuple[str, ...]:
    """`-e ./packages/core` of a workspace too: a release is installed from copies."""
    return pins("\n".join(line.removeprefix("-e ") for line in text.splitlines()))


def _dynamic(here: Transport, root: Path, wishes: Wishes, python: Python) -> Wishes:
    """Build backends write beside the sources they read, so they get a copy; the wheel's metadata tells the rest."""
    with tempfile.TemporaryDirectory(prefix="nuages-metadata-") as scratch:
        copy, target = Path(scratch, "project"), Path(scratch, "installed")
        ignored = shutil.ignore_patterns(*SKIPPED_FOLDERS, "media", "*.sqlite3")
        shutil.copytree(root / wishes.dynamic, copy, symlinks=True, ignore=ignored)
        arguments = ("--python", python.path, "--no-deps", "--target", str(target), str(copy))
        result = here.run(uv("pip", "install", *arguments, cwd=scratch, env=index_environment(wishes)))
        if not result.ok:
            what, detail, hint = explain(result.stderr, python)
            raise EnvironmentBuildError(what, where="the project's own package", detail=detail, hint=hint)
        lines = [
            line for path in target.glob("*.dist-info/METADATA") for line in requires(path.read_text("utf-8"), wishes.extras)
        ]
    return replace(wishes, lines=(*wishes.lines, *lines))


def requires(metadata: str, extras: Sequence[str]) -> list[str]:
    """The Requires-Dist lines that hold without an extra or with one of these."""
    head = metadata.partition("\n\n")[0]
    found = []
    for line in re.findall(r"^Requires-Dist:\s*(.*)$", head, re.MULTILINE):
        requirement = Requirement(line)
        extra = re.search(r"""extra\s*==\s*["']([^"']+)""", line)
        if extra and extra[1] not in extras:
            continue
        if extra:
            requirement.marker = None
        found.append(str(requirement))
    return found
