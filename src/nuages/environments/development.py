"""What a project declares for its developers and its tests, beside what it runs on: one list of requirement lines.

They are added to the project's lock as the serving stack is: none of its versions changes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from nuages.environments.forms import pipfile, poetry, requirement_files
from nuages.environments.forms.dependency_group import group_lines
from nuages.environments.forms.pyproject import sourced
from nuages.environments.forms.toml_files import read_toml, strings, table
from nuages.environments.wishes import Wishes, requirement_name


NAMES = ("dev", "devel", "develop", "development", "test", "tests", "testing")
FILE = re.compile(rf"(^|[-_.])({'|'.join(NAMES)}|ci|local)([-_.]|$)")


def development_lines(root: Path, versions: Mapping[str, str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(lines, the places that name them). What the lock has already, and the project's own folder, is left out."""
    lines: dict[str, str] = {}
    places = []
    for place, wishes in _declared(root):
        named = {requirement_name(line): line for line in wishes.lines}
        new = {name: line for name, line in named.items() if name and name not in versions and name not in lines}
        lines.update(new)
        places += [place] if named else []
    return tuple(lines.values()), tuple(dict.fromkeys(places))


def _declared(root: Path) -> Iterator[tuple[str, Wishes]]:
    manifest = read_toml(root / "pyproject.toml")
    yield "pyproject.toml", sourced(root, "", manifest, list(_manifest_lines(manifest)))
    yield "pyproject.toml", _poetry(root, manifest)
    for name, value in table(read_toml(root / "Pipfile"), "dev-packages").items():
        yield "Pipfile", pipfile.entry(root, "", name, value)
    for name in requirement_names(root):
        yield name, requirement_files.read(root, (name,))


def _manifest_lines(manifest: dict[str, object]) -> Iterator[str]:
    groups, extras = table(manifest, "dependency-groups"), table(manifest, "project", "optional-dependencies")
    for name in NAMES:
        yield from group_lines(groups, name, ())
        yield from (line for line in strings(extras.get(name)) if not _is_own(manifest, line))
    yield from strings(table(manifest, "tool", "uv").get("dev-dependencies"))


def _is_own(manifest: dict[str, object], line: str) -> bool:
    """`shop[redis]` inside shop's own extras."""
    return requirement_name(line) == requirement_name(str(table(manifest, "project").get("name", "")))


def _poetry(root: Path, manifest: dict[str, object]) -> Wishes:
    tables = [table(manifest, "tool", "poetry", "dev-dependencies")]
    tables += [table(manifest, "tool", "poetry", "group", name, "dependencies") for name in NAMES]
    wishes = Wishes()
    for name, value in (item for each in tables for item in each.items()):
        for one in value if isinstance(value, list) else [value]:
            wishes = wishes.plus(poetry.line(root, "", name, one, set()))
    return wishes


def requirement_names(root: Path) -> list[str]:
    """requirements-dev.txt, dev-requirements.txt, requirements/test.txt and the like; of a .txt and its .in the first."""
    found = [n for n in requirement_files.candidates(root, "") if FILE.search(requirement_files.label(n))]
    return list({name.rsplit(".", 1)[0]: name for name in reversed(found)}.values())[::-1]
