"""Which of a project's files say what it needs."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from nuages.environments.forms import requirement_files
from nuages.environments.forms.registry import FORMS
from nuages.environments.forms.toml_files import relative
from nuages.environments.model import Requirements
from nuages.environments.wishes import SKIPPED_FOLDERS, Wishes, requirement_name, unique
from nuages.errors import EnvironmentBuildError


# A file that names one of these is the site's; one that doesn't may be for the docs or a linter.
DJANGO = re.compile(
    r"^(django([._-].*)?|.*[._-]django|wagtail.*|.*-wagtail|mezzanine|netbox|horizon|djangorestframework.*|coderedcms|saleor)$"
)


class Declared(Protocol):
    """What nuages.toml may say about requirements."""

    @property
    def requirements(self) -> tuple[str, ...]: ...
    @property
    def extras(self) -> tuple[str, ...]: ...


def find_requirements(root: Path, topology: Declared) -> Requirements:
    """Where the project says what it needs; what nuages.toml names wins. `kind` is "none" where nothing does, and
    then the newest Django that fits is assumed."""
    kind, folder, wishes = choose(root, topology.requirements, topology.extras)
    return Requirements(
        kind=kind,
        files=wishes.files,
        locked=wishes.locked,
        group=wishes.group,
        extras=wishes.extras or topology.extras,
        indexes=requirement_files.shown_indexes(wishes),
        vcs=wishes.vcs,
        notes=wishes.notes,
        sources=wishes.sources,
        folder=folder,
        named=topology.requirements,
    )


def read_wishes(root: Path, requirements: Requirements) -> Wishes:
    """The content of what was found; the same choice is made again, for files are small and values stay whole."""
    return choose(root, requirements.named, requirements.extras)[2]


def choose(root: Path, named: tuple[str, ...], extras: tuple[str, ...]) -> tuple[str, str, Wishes]:
    """(kind, folder, wishes)."""
    if named:
        return _declared(root, named, extras)
    first = None
    for folder, form in itertools.product(_folders(root), FORMS):
        wishes = form.find(root, folder, extras)
        if not wishes or not (wishes.lines or wishes.export or wishes.dynamic):
            continue
        if _names_django(root, wishes):
            return form.KIND, folder, wishes
        first = first or (form.KIND, folder, wishes)
    if first:
        return first
    note = "no file says what the project needs; the newest Django that fits is assumed (`requirements` in nuages.toml)"
    return "none", "", Wishes(lines=("django",), notes=(note,))


def _declared(root: Path, named: tuple[str, ...], extras: tuple[str, ...]) -> tuple[str, str, Wishes]:
    missing = [name for name in named if not (root / name).is_file()]
    if missing:
        raise EnvironmentBuildError(
            f"{', '.join(missing)} is not there",
            where="project.requirements",
            hint="paths are relative to the project's folder",
        )
    wishes = Wishes()
    kinds: list[str] = []
    for name in named:
        kind, found = _by_name(root, name, extras)
        wishes, kinds = wishes.plus(found), [*kinds, kind]
    folder = str(Path(named[0]).parent)
    return ", ".join(unique(tuple(kinds))), "" if folder == "." else folder, wishes


def _by_name(root: Path, name: str, extras: tuple[str, ...]) -> tuple[str, Wishes]:
    """A lock or a manifest that is named is read as such, anything else as a requirements file."""
    folder, _, last = name.rpartition("/")
    for form in FORMS:
        if last in getattr(form, "NAMES", ()):
            found = form.find(root, folder, extras)
            if found:
                return form.KIND, found
    return "requirements.txt", requirement_files.read(root, (name,))


def _folders(root: Path) -> Iterator[str]:
    """The root first, then the folders of manage.py and what lies between, then where deployments keep theirs."""
    yield ""
    found = sorted(root.glob("*/manage.py")) + sorted(root.glob("*/*/manage.py"))
    inner = [path.parent.relative_to(root) for path in found if not SKIPPED_FOLDERS & set(path.parts)]
    names = [str(p) for folder in inner for p in (folder, *folder.parents) if str(p) != "."]
    usual = ("backend", "server", "src", "app", "web", "api", "etc", "deploy", "docker", "config")
    yield from unique((*names, *(n for n in usual if (root / n).is_dir())))


def _names_django(root: Path, wishes: Wishes) -> bool:
    if wishes.export:
        lock = root / relative(wishes.export, "uv.lock")
        return 'name = "django"' in lock.read_text(encoding="utf-8", errors="replace")
    return bool(wishes.dynamic) or any(DJANGO.match(requirement_name(line)) for line in (*wishes.lines, *wishes.constraints))
