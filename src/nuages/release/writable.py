"""What the site writes below its own folder: it lives in shared/files, and the release has links there.

While a release is built the links lead into the build, which holds what the project brings for these folders. It joins
what the site has when the release is put in place; a file that is there already stays.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from nuages.hosts.command import Command
from nuages.release.layout import Layout


# Run by the account that owns the folders, so that a link which it laid there leads root nowhere.
FILL = """\
import os, shutil, sys
source, target, names = sys.argv[1], sys.argv[2], sys.argv[3:]
os.umask(0o022)
for name in names:
    os.makedirs(os.path.join(target, name), exist_ok=True)
for folder, folders, files in os.walk(source):
    to = os.path.normpath(os.path.join(target, os.path.relpath(folder, source)))
    os.makedirs(to, exist_ok=True)
    for name in files + [n for n in folders if os.path.islink(os.path.join(folder, n))]:
        old, new = os.path.join(folder, name), os.path.join(to, name)
        if os.path.lexists(new):
            continue
        if os.path.islink(old):
            os.symlink(os.readlink(old), new)
        else:
            partial = new + ".partial"
            shutil.copyfile(old, partial)
            os.chmod(partial, os.stat(old).st_mode & 0o777)
            os.replace(partial, new)
"""


def fill_command(build: Path, manifest: Mapping[str, object], layout: Layout, python: str, account: str = "") -> Command | None:
    """Makes the writable folders of a build in shared/files, with what the project brings; None where it has none."""
    names = manifest.get("writable")
    if not isinstance(names, list) or not names:
        return None
    argv = (python, "-I", "-S", "-c", FILL, str(build / "writable"), str(layout.shared("files")), *map(str, names))
    return Command(argv, user=account, timeout=600)


def outermost(names: Iterable[str]) -> list[str]:
    """Without folders that lie in another of them."""
    found: list[str] = []
    for name in sorted({os.path.normpath(n) for n in names}):
        if not any(name.startswith(f"{other}/") for other in found):
            found.append(name)
    return found


def set_aside(source: Path, aside: Path, names: Iterable[str]) -> None:
    """Move what lies in the writable folders out of the source, and lay links to it."""
    for name in outermost(names):
        place, kept = source / name, aside / name
        if place.is_symlink() or (place.exists() and not place.is_dir()):
            continue
        kept.parent.mkdir(parents=True, exist_ok=True)
        if place.is_dir():
            shutil.move(place, kept)
        kept.mkdir(exist_ok=True)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(kept)


def lead_to_site(source: Path, aside: Path, site: Layout, names: Iterable[str]) -> None:
    """The built release has its links lead to where the site lives."""
    for name in outermost(names):
        place = source / name
        if place.is_symlink() and os.readlink(place) == str(aside / name):
            place.unlink()
            place.symlink_to(site.shared("files") / name)


def lay_config_files(source: Path, folder: Path, files: Mapping[str, str]) -> None:
    """Files given by `nuages config set --file`, for as long as the build runs: in a private folder, with links to them."""
    for name, text in files.items():
        kept = folder / name
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.touch(mode=0o600)
        kept.write_text(text, encoding="utf-8")
    _link_config_files(source, folder, files)


def link_config_files(source: Path, site: Layout, names: Iterable[str]) -> None:
    """They stand in the release as links to their originals, which only the site may read."""
    _link_config_files(source, site.shared("config-files"), names)


def _link_config_files(source: Path, folder: Path, names: Iterable[str]) -> None:
    for name in names:
        place = source / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)
        place.symlink_to(folder / name)
