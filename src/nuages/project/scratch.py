"""A scratch copy of the project, so that what its settings write harms nobody."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nuages.project.model import Files


# Never written by settings, and most of a repository's bytes: linked, not copied. Everything else is copied, since a
# hard link to a file that settings append to would change the user's own.
INERT = {
    ".png", ".jpg", ".jpeg", ".gif", ".webp", ".svg", ".ico", ".woff", ".woff2", ".ttf", ".eot", ".otf", ".mp4", ".webm",
    ".mp3", ".pdf", ".zip", ".gz", ".map", ".psd", ".wasm", ".css", ".scss", ".js", ".ts", ".tsx", ".jsx", ".vue", ".md", ".rst",
}  # fmt: skip


@dataclass(frozen=True)
class Scratch:
    """`source` is the copy, `release` the directory for NUAGES_RELEASE."""

    root: Path
    source: Path
    release: Path

    @property
    def answer(self) -> Path:
        return self.root / "probe.json"


def make_scratch(root: Path, listing: Iterable[str], place: Path, runtime: Path, files: Mapping[str, str]) -> Scratch:
    """Copy the listed paths and lay out an empty release with the runtime in it."""
    place = place.resolve()  # the probe answers with real paths
    scratch = Scratch(place, place / "source", place / "release")
    shutil.rmtree(place, ignore_errors=True)
    scratch.source.mkdir(parents=True, mode=0o700)
    made: set[str] = set()
    for path in listing:
        copy(root / path, scratch.source / path, made)
    for path, content in files.items():
        target = scratch.source / path
        if not os.path.isabs(path) and inside(target, scratch.source):
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(content)
    lay_runtime(scratch.release, runtime)
    for name in ("static", "media", "data", "home", "tmp"):
        (place / name).mkdir(exist_ok=True)
    return scratch


def manage_dir(place: Scratch, files: Files) -> Path:
    return (place.source / files.manage).parent


def inside(target: Path, folder: Path) -> bool:
    return Path(os.path.normpath(target)).is_relative_to(folder)


def copy(source: Path, target: Path, made: set[str]) -> None:
    folder = str(target.parent)
    if folder not in made:
        os.makedirs(folder, exist_ok=True)
        made.add(folder)
    with contextlib.suppress(FileNotFoundError, IsADirectoryError):
        if source.is_symlink():
            os.symlink(os.readlink(source), target)
        elif target.suffix.lower() in INERT and link(source, target):
            return
        else:
            shutil.copy2(source, target)


def link(source: Path, target: Path) -> bool:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without hard links
        return False
    return True


def lay_runtime(release: Path, runtime: Path) -> None:
    """`runtime` is the package's directory, or a folder that holds it under its import name."""
    (release / "runtime").mkdir(parents=True)
    package = runtime / "nuages_runtime" if (runtime / "nuages_runtime").is_dir() else runtime
    (release / "runtime" / "nuages_runtime").symlink_to(package.resolve())


def write_policy(scratch: Scratch, policy: Mapping[str, Any]) -> None:
    (scratch.release / "policy.json").write_text(json.dumps(policy))


def snapshot(source: Path) -> dict[str, tuple[int, int]]:
    """Every file of the copy with its size and time of change."""
    found: dict[str, tuple[int, int]] = {}
    for folder, names, files in os.walk(source):
        names[:] = [n for n in names if n != "__pycache__"]
        for name in files:
            path = os.path.join(folder, name)
            with contextlib.suppress(OSError):
                stat = os.lstat(path)
                found[os.path.relpath(path, source)] = (stat.st_size, stat.st_mtime_ns)
    return found
