"""From what the project asks for to exact versions, once; kept, so that the same input gives the same lock for ever."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from nuages.environments import project_sources
from nuages.environments.interpreters import interpreters, numbers
from nuages.environments.model import Lock, Python, PythonHint, Requirements
from nuages.environments.python_choice import candidates, is_old, notes_on, runs_django
from nuages.environments.requirements import read_wishes
from nuages.environments.resolver import Resolution, has_wheel, index_environment, refuse, resolve, silent
from nuages.environments.stack import add_stack
from nuages.environments.substitutes import fit_to_machine
from nuages.environments.uv import spell
from nuages.environments.wishes import Wishes, digest_folder, mask, requirement_name, unique
from nuages.hosts.transport import Progress, Transport


MOST_OTHERS = 3  # Pythons that are asked for a wheel where the chosen one has none
SCHEMA = 1  # of what is kept; another number resolves everything anew


@dataclass(frozen=True)
class Kept:
    """A resolution of the project's own requirements."""

    version: str
    path: str
    lines: tuple[str, ...]
    notes: tuple[str, ...] = ()


def make_lock(
    here: Transport,
    root: Path,
    requirements: Requirements,
    hints: Sequence[PythonHint],
    wanted_python: str,
    stack: tuple[str, ...],
    keep: Path,
    progress: Progress,
    *,
    prefer: Mapping[str, str] | None = None,
    only: Python | None = None,
) -> Lock:
    """Every package with its exact version, for the Python that the resolver says fits.

    `stack` is resolved against the project's versions and changes none of them. Both resolutions are kept under
    `keep` by their input, so a second call with the same files starts no process. `prefer` (name -> version) stays
    as it is wherever it fits. `only`: the Python of another machine (see `target_lock`).
    """
    wishes = read_wishes(root, requirements)
    wishes = replace(wishes, preferred=preferred(prefer or {}))
    key = digest(
        SCHEMA,
        _contents(root, wishes),
        wishes.lines,
        [asdict(h) for h in hints],
        wanted_python,
        requirements.extras,
        *((only.version, only.platform) if only else wishes.preferred),
    )
    project = _kept_project(here, keep / f"project-{key}.json", only)
    if not project:
        project = _resolve_project(here, root, wishes, hints, wanted_python, progress, only)
        _save(keep / f"project-{key}.json", asdict(project))
    python = replace(only, path=project.path) if only else Python(project.version, project.path)
    index = index_environment(wishes)
    added, stack_notes = add_stack(here, python, project.lines, stack, wishes, keep, progress)
    return _lock(project, python, added, stack_notes, requirements, index, _local_digests(root, wishes))


def digest(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:20]


def _contents(root: Path, wishes: Wishes) -> list[tuple[str, str]]:
    """File names with the digests of their content; indexes may hold passwords, so digests only."""
    names = unique((*wishes.files, *(f"{folder}/pyproject.toml" for folder in wishes.folders)))
    files = [(name, hashlib.sha256((root / name).read_bytes()).hexdigest()) for name in names if (root / name).is_file()]
    return [*files, *((name, digest_folder(root / name)) for name in wishes.folders)]


def _local_digests(root: Path, wishes: Wishes) -> tuple[str, ...]:
    return tuple(f"# ./{name} {digest_folder(root / name)[:16]}" for name in wishes.folders)


def preferred(versions: Mapping[str, str]) -> tuple[str, ...]:
    """What is a version, and no address, as pinned lines."""
    return tuple(f"{name}=={version}" for name, version in sorted(versions.items()) if re.fullmatch(r"[\w.!+-]+", version))


def _kept_project(here: Transport, path: Path, only: Python | None = None) -> Kept | None:
    """What was resolved before, on the same Python or, after that was patched, on another of its series."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        kept = Kept(data["version"], data["path"], tuple(data["lines"]), tuple(data["notes"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if only:
        return replace(kept, path=only.path)
    same = [p for p in interpreters(here) if numbers(p.version)[:2] == numbers(kept.version)[:2]]
    if any(p.version == kept.version and p.path == kept.path for p in same):
        return kept
    return replace(kept, version=same[0].version, path=same[0].path) if same else None


def _save(path: Path, data: Mapping[str, object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    partial.touch(mode=0o600)  # a requirement may be a URL with a password
    partial.write_text(json.dumps(data, indent=1), encoding="utf-8")
    partial.replace(path)


def _resolve_project(
    here: Transport,
    root: Path,
    wishes: Wishes,
    hints: Sequence[PythonHint],
    wanted: str,
    progress: Progress,
    only: Python | None = None,
) -> Kept:
    order = (only,) if only else candidates(interpreters(here), hints, wanted)
    read = project_sources.complete(here, root, wishes, order[0])
    python = order[0].version if only or wanted else ""
    wishes = fit_to_machine(read, nothing_there, python) if only else fit_to_machine(read, python=python)
    progress("resolving the project's requirements")
    best = choose_resolution(here, root, wishes, order, progress)
    notes = [*notes_on(best.python, hints, wanted), *wishes.notes[len(read.notes) :]]
    if best.built:
        notes.append(f"built from source, for there is no wheel: {spell(best.built)}")
    return Kept(best.python.version, best.python.path, tuple(sorted(best.lines, key=str.lower)), tuple(notes))


def nothing_there(_program: str) -> None:
    """A server has no compiler."""


def choose_resolution(
    here: Transport, root: Path, wishes: Wishes, order: Sequence[Python], progress: Progress = silent
) -> Resolution:
    """The first Python on which everything has wheels and its Django runs; else the one with the least to build."""
    tried: list[Resolution] = []
    for python in order:
        found = _with_django(here, root, wishes, resolve(here, root, wishes, python, progress))
        others = [each for each in order if each not in [t.python for t in tried] and each != python]
        if found.ok and _fits_django(found) and not spared(here, wishes, found, others):
            return found
        tried.append(found)
    fitting = [each for each in tried if each.ok]
    if not fitting:
        raise refuse(tried[0], "requirements")
    return min(fitting, key=lambda each: (not _fits_django(each), len(each.built)))


def spared(here: Transport, wishes: Wishes, found: Resolution, others: Sequence[Python]) -> bool:
    """Would a younger or older Python save a build? Most packages without a wheel have none for any."""
    lines = tuple(line for line in found.lines if requirement_name(line) in found.built and " @ " not in line)
    series = {numbers(p.version)[:2]: p for p in reversed(others) if not is_old(p)}
    nearest = [p for key, p in series.items() if key != numbers(found.python.version)[:2]][:MOST_OTHERS]
    return any(has_wheel(here, replace(wishes, lines=(line,)), python) for line in lines for python in nearest)


def _with_django(here: Transport, root: Path, wishes: Wishes, found: Resolution) -> Resolution:
    """A project whose files forget Django gets the newest that fits beside the rest."""
    if not found.ok or "django" in versions(found.lines) or wishes.complete:
        return found
    return resolve(here, root, replace(wishes, lines=(*wishes.lines, "django")), found.python)


def _fits_django(found: Resolution) -> bool:
    return runs_django(found.python, versions(found.lines).get("django", ""))


def versions(lines: Sequence[str]) -> dict[str, str]:
    """Normalised name -> version, or the url it comes from."""
    found = {}
    for line in lines:
        name = requirement_name(line)
        pin = re.match(r"[^=;@\s]+==([^\s;]+)$", line)  # parsing a hundred lines takes as long as the rest
        if name:
            found[name] = (
                pin[1] if pin else mask(Requirement(line).url or "") or str(Requirement(line).specifier).removeprefix("==")
            )
    return dict(sorted(found.items()))


def _lock(
    project: Kept,
    python: Python,
    added: tuple[str, ...],
    stack_notes: tuple[str, ...],
    requirements: Requirements,
    index: Mapping[str, object],
    local: tuple[str, ...],
) -> Lock:
    text = "".join(f"{line}\n" for line in (*sorted((*project.lines, *added), key=str.lower), *local))
    return Lock(
        text=text,
        digest=hashlib.sha256(text.encode()).hexdigest(),
        source="project" if requirements.locked else "resolved",
        python=python,
        versions=versions((*project.lines, *added)),
        added={canonicalize_name(name): version for name, version in versions(added).items()},
        notes=(*project.notes, *stack_notes),
        index_environment=index,  # type: ignore[arg-type]
    )
