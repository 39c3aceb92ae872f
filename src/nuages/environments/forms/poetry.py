"""[tool.poetry] without a lock: the main dependencies and groups that are named for production."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nuages.environments.forms.poetry_versions import specifier
from nuages.environments.forms.pyproject import chosen_extras, local_package, sourced
from nuages.environments.forms.toml_files import read_toml, relative, strings, table, tables
from nuages.environments.wishes import Wishes, is_public
from nuages.secret import Secret


KIND = "poetry"
GROUPS = ("main", "prod", "production", "deploy", "live")


def find(root: Path, folder: str, extras: tuple[str, ...]) -> Wishes | None:
    manifest = read_toml(root / folder / "pyproject.toml")
    poetry = table(manifest, "tool", "poetry")
    if not table(poetry, "dependencies") or not set(table(poetry, "dependencies")) - {"python"}:
        return None
    wishes = Wishes(files=(relative(folder, "pyproject.toml"),), extras=extras, indexes=_indexes(poetry))
    optional = {name for extra in extras for name in strings(table(poetry, "extras").get(extra))}
    for name, value in _dependencies(poetry):
        for each in value if isinstance(value, list) else [value]:
            wishes = wishes.plus(line(root, folder, name, each, optional))
    return wishes


def direct(root: Path, folder: str, extras: tuple[str, ...]) -> Wishes | None:
    """What a Poetry project names itself, in the old table or, from Poetry 2 on, in [project]."""
    manifest = read_toml(root / folder / "pyproject.toml")
    project = table(manifest, "project")
    if not project.get("dependencies"):
        return find(root, folder, extras)
    chosen, notes = chosen_extras(manifest, extras)
    lines = [
        *strings(project.get("dependencies")),
        *(x for e in chosen for x in strings(table(project, "optional-dependencies").get(e))),
    ]
    own = Wishes(files=(relative(folder, "pyproject.toml"),), extras=chosen, notes=notes)
    return sourced(root, folder, manifest, lines).plus(own).plus(Wishes(indexes=_indexes(table(manifest, "tool", "poetry"))))


def _dependencies(poetry: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    yield from table(poetry, "dependencies").items()
    for group, content in table(poetry, "group").items():
        if group in GROUPS:
            yield from table(content, "dependencies").items()


def _indexes(poetry: dict[str, Any]) -> tuple[Secret, ...]:
    urls = (str(source.get("url", "")) for source in tables(poetry.get("source")))
    return tuple(Secret(url) for url in urls if url and not is_public(url))


def line(root: Path, folder: str, name: str, value: Any, optional: set[str]) -> Wishes:
    if name == "python":
        return Wishes()
    if isinstance(value, str):
        return Wishes(lines=(name + specifier(value),))
    if not isinstance(value, dict) or (value.get("optional") and name not in optional):
        return Wishes()
    extras = ",".join(strings(value.get("extras")))
    full = f"{name}[{extras}]" if extras else name
    given = (value.get("markers"), _python_marker(value.get("python")), _platform(value.get("platform")))
    markers = [f"({m})" if " or " in m else m for m in given if m]
    after = " ; " + " and ".join(markers) if markers else ""
    if "path" in value:
        return local_package(root, folder, str(value["path"]))
    return Wishes(lines=(full + _place(value) + after,), prerelease=bool(value.get("allow-prereleases")))


def _place(value: dict[str, Any]) -> str:
    if "git" in value:
        at = value.get("rev") or value.get("tag") or value.get("branch")
        return f" @ git+{value['git']}{f'@{at}' if at else ''}"
    return f" @ {value['url']}" if "url" in value else specifier(str(value.get("version", "*")))


def _python_marker(versions: Any) -> str:
    return version_marker(specifier(versions)) if isinstance(versions, str) else ""


def version_marker(spec: str) -> str:
    """`>=3.9,<4` as a marker."""
    clauses = []
    for clause in spec.split(","):
        operator = clause[: len(clause) - len(clause.lstrip("<>=!~"))]
        number = clause[len(operator) :].strip()
        if not operator or not number:
            continue
        variable = "python_full_version" if number.replace(".*", "").count(".") > 1 else "python_version"
        clauses.append(f"{variable} {operator} '{number}'")
    return " and ".join(clauses)


def _platform(value: Any) -> str:
    return f"sys_platform == '{value}'" if isinstance(value, str) else ""
