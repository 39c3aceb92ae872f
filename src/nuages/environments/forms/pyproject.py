"""PEP 621: `[project] dependencies`, with uv's sources, or read from files that setuptools names."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from nuages.environments.forms.toml_files import read_toml, relative, strings, table, tables
from nuages.environments.wishes import Wishes, is_public, requirement_name
from nuages.secret import Secret


KIND = "pyproject"
NAMES = ("pyproject.toml",)
PRODUCTION = ("production", "prod", "deploy", "live")


def find(root: Path, folder: str, extras: tuple[str, ...]) -> Wishes | None:
    manifest = read_toml(root / folder / "pyproject.toml")
    project = table(manifest, "project")
    dynamic = _dynamic(root, folder, manifest)
    if not project.get("dependencies") and not dynamic:
        return None
    chosen, notes = chosen_extras(manifest, extras)
    optional = table(project, "optional-dependencies")
    lines = [
        *strings(project.get("dependencies")),
        *(line for e in chosen for line in strings(optional.get(e))),
    ]
    own = Wishes(
        files=(relative(folder, "pyproject.toml"),),
        extras=chosen,
        notes=notes,
        sources=source_folders(root, folder),
    )
    return (
        sourced(root, folder, manifest, [_without_self(project, optional, line) for line in lines])
        .plus(own)
        .plus(dynamic or Wishes())
    )


def chosen_extras(manifest: dict[str, Any], extras: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What nuages.toml asks for; else an extra named for production."""
    optional = table(manifest, "project", "optional-dependencies")
    chosen = tuple(e for e in extras if e in optional) or tuple(e for e in PRODUCTION if e in optional and not extras)
    missing = tuple(e for e in extras if e not in optional)
    notes = [f"the project has no extra {e}" for e in missing]
    rest = [e for e in optional if e not in chosen]
    if rest:
        notes.append(f"extras not installed: {', '.join(rest[:8])}; choose with `extras` in nuages.toml")
    return chosen, tuple(notes)


def _without_self(project: dict[str, Any], optional: dict[str, Any], line: str) -> str:
    """`shop[redis]` inside shop's own extras."""
    name = requirement_name(str(project.get("name", "")))
    if not name or requirement_name(line) != name:
        return line
    found = re.search(r"\[([^\]]*)\]", line)
    names = [e.strip() for e in found[1].split(",")] if found else []
    return "\n".join(inner for e in names for inner in strings(optional.get(e)))


def sourced(root: Path, folder: str, manifest: dict[str, Any], lines: list[str]) -> Wishes:
    """Lines with [tool.uv] sources, indexes, overrides and constraints in force."""
    tool = table(manifest, "tool", "uv")
    sources = table(tool, "sources")
    wishes = Wishes(
        overrides=strings(tool.get("override-dependencies")),
        constraints=strings(tool.get("constraint-dependencies")),
        prerelease=tool.get("prerelease") == "allow",
    )
    for index in tables(tool.get("index")):
        url = str(index.get("url", ""))
        if url and not is_public(url):
            wishes = wishes.plus(Wishes(default_index=Secret(url)) if index.get("default") else Wishes(indexes=(Secret(url),)))
    by_name = {requirement_name(name): source for name, source in sources.items()}
    for line in (each for text in lines for each in text.splitlines()):
        source = by_name.get(requirement_name(line))
        source = next(iter(tables(source)), {}) if isinstance(source, list) else source
        wishes = wishes.plus(_sourced_line(root, folder, line, source if isinstance(source, dict) else {}))
    return wishes


def _sourced_line(root: Path, folder: str, line: str, source: dict[str, Any]) -> Wishes:
    name, _, marker = line.partition(";")
    name = re.split(r"[<>=!~ (@]", name.strip())[0]
    after = f" ; {marker.strip()}" if marker else ""
    if "git" in source:
        at = source.get("rev") or source.get("tag") or source.get("branch")
        sub = f"#subdirectory={source['subdirectory']}" if "subdirectory" in source else ""
        return Wishes(lines=(f"{name} @ git+{source['git']}{f'@{at}' if at else ''}{sub}{after}",))
    if "url" in source:
        return Wishes(lines=(f"{name} @ {source['url']}{after}",))
    if "path" in source:
        return local_package(root, folder, str(source["path"]))
    return Wishes(lines=(line,))


def local_package(root: Path, folder: str, path: str) -> Wishes:
    base = root.resolve()
    target = (base / folder / path).resolve()
    if not target.exists():
        return Wishes(notes=(f"{path} is not there and left out",))
    if target == base:
        return Wishes()
    if target.is_relative_to(base):
        place = str(target.relative_to(base))
        return Wishes(lines=(f"./{place}",), folders=(place,))
    return Wishes(lines=(str(target),), notes=(f"{path} lies outside the project",))


def source_folders(root: Path, folder: str) -> tuple[str, ...]:
    """`src` of a src layout: where the project's own package is imported from, since it is not installed."""
    src = root / folder / "src"
    if not src.is_dir() or (src / "manage.py").is_file() or (src / "__init__.py").is_file():
        return ()
    return (relative(folder, "src"),) if any(src.glob("*/__init__.py")) else ()


def _dynamic(root: Path, folder: str, manifest: dict[str, Any]) -> Wishes | None:
    """`dynamic = ["dependencies"]`: from files where setuptools is told so, else only a build can tell."""
    if "dependencies" not in strings(table(manifest, "project").get("dynamic")):
        return None
    from nuages.environments.forms import requirement_files

    named = table(manifest, "tool", "setuptools", "dynamic", "dependencies").get("file")
    files = (named,) if isinstance(named, str) else strings(named)
    if files:
        return requirement_files.read(root, tuple(relative(folder, f) for f in files))
    return Wishes(dynamic=folder or ".", files=(relative(folder, "pyproject.toml"),))
