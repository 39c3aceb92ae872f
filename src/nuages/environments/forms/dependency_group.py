"""PEP 735 groups as the only place of a project's dependencies, and those meant for production beside others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from nuages.environments.forms.pyproject import sourced
from nuages.environments.forms.toml_files import read_toml, relative, table
from nuages.environments.wishes import Wishes


KIND = "dependency-group"
PRODUCTION = ("production", "prod", "deploy", "live")
MAIN = ("main", "default", "base", "app", "django", "web", "server", "runtime", "backend")


def find(root: Path, folder: str, extras: tuple[str, ...]) -> Wishes | None:
    manifest = read_toml(root / folder / "pyproject.toml")
    groups = table(manifest, "dependency-groups")
    chosen = next((name for name in (*PRODUCTION, *MAIN) if _spelled(groups, name)), "")
    if not chosen:
        return None
    lines = group_lines(groups, chosen, ())
    own = Wishes(files=(relative(folder, "pyproject.toml"),), group=chosen)
    return sourced(root, folder, manifest, lines).plus(own)


def group_lines(groups: dict[str, Any], name: str, above: tuple[str, ...]) -> list[str]:
    """A group with those it includes; a circle ends where it closes."""
    spelled = _spelled(groups, name)
    if not spelled or spelled in above:
        return []
    lines: list[str] = []
    for entry in groups[spelled] if isinstance(groups[spelled], list) else []:
        if isinstance(entry, str):
            lines.append(entry)
        elif isinstance(entry, dict) and isinstance(entry.get("include-group"), str):
            lines += group_lines(groups, entry["include-group"], (*above, spelled))
    return lines


def _spelled(groups: dict[str, Any], name: str) -> str:
    return next((each for each in groups if canonicalize_name(each) == canonicalize_name(name)), "")


def production_groups(manifest: dict[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Groups to install beside `[project] dependencies`: those named for production; `main` where the project itself
    has none. (groups, notes)."""
    groups = table(manifest, "dependency-groups")
    words = PRODUCTION if table(manifest, "project").get("dependencies") else (*PRODUCTION, *MAIN)
    chosen = tuple(name for name in groups if canonicalize_name(name) in words)
    return chosen, tuple(f"dependency group {name} is installed" for name in chosen)
