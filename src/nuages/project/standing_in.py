"""What lets a project be imported with nothing that anybody has given it: for its tests, which get no value of production."""

from __future__ import annotations

import contextlib
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from nuages.environments.model import Environment
from nuages.errors import MissingError
from nuages.hosts.transport import Progress, Transport
from nuages.project.asking import Asking, ask_until_known
from nuages.project.inspection import PolicyFor, probe_policy
from nuages.project.model import Files
from nuages.project.scratch import make_scratch, write_policy


DEFAULT = re.compile(r"""setdefault\(\s*["']DJANGO_SETTINGS_MODULE["']\s*,\s*["']([\w.]+)["']""")


@dataclass(frozen=True)
class StandIns:
    """`variables` that the settings can't do without, `files` that they read and nobody has, `reads`: every variable that
    they look at, `engines` of the databases that they have without being told."""

    variables: Mapping[str, str] = field(repr=False)
    files: Mapping[str, str] = field(repr=False)
    folders: tuple[str, ...]
    reads: tuple[str, ...]
    engines: tuple[str, ...]


def settings_of_desk(files: Files, root: Path) -> str:
    """The settings module that manage.py takes by itself, on a developer's machine."""
    try:
        found = DEFAULT.search((root / files.manage).read_text(encoding="utf-8", errors="replace"))
    except OSError:
        found = None
    return found[1] if found else files.settings


def find_stand_ins(
    files: Files,
    environment: Environment,
    here: Transport,
    sources: tuple[str, ...],
    scratch: Path,
    runtime: Path,
    policy_for: PolicyFor,
    progress: Progress,
) -> StandIns:
    """Import it in a scratch copy, one more stand-in each time, until it does. Raises ProjectError where it never will."""
    place = make_scratch(files.root, sources, scratch, runtime, {})
    write_policy(place, probe_policy(place, policy_for(place.source), files))
    asked = Asking(replace(files, selectors={}), environment, here, place, {}, {})
    try:
        answer = ask_until_known(asked, progress)
    except MissingError as error:
        if any(one.kind not in ("variable", "file") for one in error.missing):  # type: ignore[attr-defined]
            raise
        answer, _result = asked.run()
    variables = {**asked.stand_ins, **{name: secrets.token_urlsafe(48) for name in asked.generated}}
    given = {one.name: _text(place.source / one.name) for one in asked.wanted if one.kind == "file"}
    folders = tuple(str(path.relative_to(files.root)) for path in asked.made)
    reads = {str(entry["name"]) for entry in answer.get("environ", ())}
    databases: Mapping[str, Any] = (answer.get("facts") or {}).get("databases") or {}
    engines = tuple(str(database.get("engine", "")) for database in databases.values())
    return StandIns(variables, given, folders, tuple(sorted(reads | set(variables))), engines)


def _text(path: Path) -> str:
    with contextlib.suppress(OSError):
        return path.read_text(encoding="utf-8", errors="replace")
    return ""
