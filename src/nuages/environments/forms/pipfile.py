"""A Pipfile without its lock."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nuages.environments.forms.pyproject import local_package
from nuages.environments.forms.toml_files import read_toml, relative, strings, table, tables
from nuages.environments.wishes import Wishes, is_public
from nuages.secret import Secret


KIND = "Pipfile"
NAMES = ("Pipfile",)


def find(root: Path, folder: str, extras: tuple[str, ...]) -> Wishes | None:
    pipfile = read_toml(root / folder / "Pipfile")
    packages = table(pipfile, "packages")
    if not packages:
        return None
    wishes = Wishes(files=(relative(folder, "Pipfile"),), indexes=indexes(tables(pipfile.get("source"))))
    for name, value in packages.items():
        wishes = wishes.plus(entry(root, folder, name, value))
    return wishes.plus(Wishes(prerelease=table(pipfile, "pipenv").get("allow_prereleases") is True))


def indexes(sources: tuple[dict[str, Any], ...]) -> tuple[Secret, ...]:
    urls = (str(source.get("url", "")) for source in sources)
    return tuple(Secret(url) for url in urls if url and not is_public(url))


def entry(root: Path, folder: str, name: str, value: Any) -> Wishes:
    """One package, in the language that Pipfile and its lock share."""
    if isinstance(value, str):
        return Wishes(lines=(name + ("" if value == "*" else value),))
    if not isinstance(value, dict):
        return Wishes()
    extras = ",".join(strings(value.get("extras")))
    full = f"{name}[{extras}]" if extras else name
    after = _markers(value)
    if "path" in value:
        return local_package(root, folder, str(value["path"]))
    if "git" in value:
        return Wishes(lines=(f"{full} @ git+{value['git']}{'@' + value['ref'] if value.get('ref') else ''}{after}",))
    if "file" in value:
        return Wishes(lines=(f"{full} @ {value['file']}{after}",))
    version = str(value.get("version", "*"))
    return Wishes(lines=(f"{full}{'' if version == '*' else version}{after}",))


def _markers(value: dict[str, Any]) -> str:
    """`markers`, or a marker's variable as a key of its own: `sys_platform = "== 'linux'"`."""
    variables = (
        "sys_platform",
        "platform_machine",
        "os_name",
        "python_version",
        "platform_python_implementation",
    )
    found = [str(value["markers"])] if value.get("markers") else []
    found += [f"{variable} {value[variable]}" for variable in variables if value.get(variable)]
    return " ; " + " and ".join(f"({m})" if len(found) > 1 else m for m in found) if found else ""
