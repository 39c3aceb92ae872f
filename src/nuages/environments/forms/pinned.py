"""Packages of a lock as constraints: what the project names is resolved again, and only to the versions locked.

So groups, extras and markers need no reading of each lock's own language, and nothing for development comes along.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from packaging.markers import InvalidMarker, Marker
from packaging.utils import canonicalize_name

from nuages.environments.forms.poetry import version_marker
from nuages.environments.forms.poetry_versions import specifier
from nuages.environments.forms.toml_files import table


def constraints(packages: Iterable[dict[str, Any]]) -> tuple[str, ...]:
    """`name==version`; a package locked in several versions has each under its marker."""
    listed = [p for p in packages if p.get("name") and p.get("version") and not _elsewhere(p)]
    times = Counter(canonicalize_name(p["name"]) for p in listed)
    lines = (_line(p, alone=times[canonicalize_name(p["name"])] == 1) for p in listed)
    return tuple(dict.fromkeys(line for line in lines if line))


def _line(package: dict[str, Any], *, alone: bool) -> str:
    pin = f"{canonicalize_name(package['name'])}=={package['version']}"
    if alone:
        return pin
    marker = _marker(package)
    return f"{pin} ; {marker}" if marker else ""


def _marker(package: dict[str, Any]) -> str:
    given = package.get("markers") or package.get("marker")
    given = given.get("main", "") if isinstance(given, dict) else given
    text = str(given or version_marker(specifier(str(package.get("python-versions") or package.get("requires_python") or ""))))
    try:
        return str(Marker(text)) if text else ""
    except InvalidMarker:
        return ""


def _elsewhere(package: dict[str, Any]) -> bool:
    """From a repository, a folder or a url: the direct requirement says so itself."""
    kinds = ("git", "directory", "file", "url")
    return table(package, "source").get("type") in kinds or any(key in package for key in ("git", "path", "url"))


def fetched(packages: Iterable[dict[str, Any]]) -> dict[str, str]:
    """name -> `git+url@commit`, as locked."""
    found: dict[str, str] = {}
    for package in packages:
        source = table(package, "source")
        url = source.get("url") if source.get("type") == "git" else package.get("git")
        commit = source.get("resolved_reference") or package.get("revision")
        if url and commit:
            found[canonicalize_name(str(package["name"]))] = f"git+{url}@{commit}"
    return found


def at_commits(lines: Iterable[str], commits: dict[str, str]) -> tuple[str, ...]:
    """Direct git requirements at the commit of the lock, not at the branch they name."""
    from nuages.environments.wishes import requirement_name

    result = []
    for line in lines:
        commit = commits.get(requirement_name(line)) if " @ git+" in line else None
        name, _, rest = line.partition(" @ ")
        marker = rest.partition(" ; ")[2]
        result.append(f"{name} @ {commit}{' ; ' + marker if marker else ''}" if commit else line)
    return tuple(result)
