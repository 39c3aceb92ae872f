"""The files of a lock, on this machine: wheels by their digest, made once for all sites and hosts."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from packaging.tags import Tag

from nuages.environments.explain import explain
from nuages.environments.fetching import Fetched, fetch
from nuages.environments.model import Lock, Pin, Python, Target
from nuages.environments.target import rank, reader, target_tags
from nuages.environments.uv import uv
from nuages.environments.wishes import mask
from nuages.errors import EnvironmentBuildError
from nuages.hosts.command import Command
from nuages.hosts.transport import Progress, Transport


AT_ONCE = 6  # downloads
LATER = "315532800"  # 1980-01-01, the first day that a zip can hold: the same source gives the same wheel


@dataclass(frozen=True)
class Piece:
    """A file to ship. `file` is the wheel's name; a source that only the host can build keeps its own."""

    name: str
    file: str
    sha256: str
    path: Path
    size: int

    @property
    def is_wheel(self) -> bool:
        return self.file.endswith(".whl")


def wheel_cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "nuages" / "wheels"


def gather(here: Transport, lock: Lock, target: Target, progress: Progress, cache: Path | None = None) -> tuple[Piece, ...]:
    """Every file of a lock, downloaded unless it is in the cache, and checked by its digest.

    Pure Python that exists only as source becomes a wheel here; what has compiled code stays source. Raises
    EnvironmentBuildError with what could not be fetched, or is not what the lock says.
    """
    folder = cache or wheel_cache()
    folder.mkdir(parents=True, exist_ok=True)
    found = _download(lock, folder, progress)
    tags = {tag: n for n, tag in enumerate(target_tags(target))}
    pieces = []
    for pin in lock.pins:
        if pin.is_wheel:
            pieces.append(_piece(pin.name, pin.file, found[pin]))
        else:
            pieces.append(_from_source(here, pin, found.get(pin), target, tags, folder, progress))
    return tuple(pieces)


def _download(lock: Lock, folder: Path, progress: Progress) -> dict[Pin, Path]:
    files = [pin for pin in lock.pins if pin.sha256 or urlsplit(pin.url).scheme in ("http", "https")]
    missing = [pin for pin in files if not (pin.sha256 and (folder / pin.sha256).exists())]
    if missing:
        size = sum(pin.size for pin in missing)
        progress(f"downloading {len(missing)} packages" + (f", {size / 1e6:.1f} MB" if size else ""))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        fetched = pool.map(lambda pin: fetch(pin.url, pin.sha256, folder, dict(lock.index_environment)), missing)
        paths: dict[Pin, Fetched] = dict(zip(missing, fetched, strict=True))
    return {pin: paths[pin].path if pin in paths else folder / pin.sha256 for pin in files}


def _piece(name: str, file: str, path: Path) -> Piece:
    """Files of the cache are named by their digest."""
    return Piece(name, file, path.name, path, path.stat().st_size)


# --- what exists only as source ------------------------------------------------------------------------------


def _from_source(
    here: Transport, pin: Pin, source: Path | None, target: Target, tags: Mapping[Tag, int], folder: Path, progress: Progress
) -> Piece:
    kept = _kept_wheel(pin.name, folder / "built" / _key(pin, target))
    if kept:
        return kept
    progress(f"building {pin.name}, which has no wheel")
    with tempfile.TemporaryDirectory(prefix="nuages-source-") as scratch:
        place = _unpacked(here, pin, source, Path(scratch))
        wheel, said = _build(here, place, Path(scratch, "wheels"), reader(here, target), target)
        if wheel and _is_pure(wheel.name) and rank(wheel.name, tags) >= 0:
            return _keep(pin, wheel, folder, _key(pin, target))
        if source:
            return _piece(pin.name, pin.file, source)
    raise _unbuilt(pin, said, target)


def _key(pin: Pin, target: Target) -> str:
    text = "\0".join((pin.name, pin.sha256 or pin.built or pin.url, target.python.rpartition(".")[0]))
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _kept_wheel(name: str, note: Path) -> Piece | None:
    """Beside the digests: `built/<key>` says which of them is the wheel made of a source."""
    try:
        digest, file = note.read_text("utf-8").split()
        return _piece(name, file, note.parent.parent / digest)
    except (OSError, ValueError):
        return None


def _keep(pin: Pin, wheel: Path, folder: Path, key: str) -> Piece:
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    final, note = folder / digest, folder / "built" / key
    note.parent.mkdir(exist_ok=True)
    partial = folder / f"{digest}.{os.getpid()}.partial"
    partial.write_bytes(wheel.read_bytes())
    partial.replace(final)
    note.write_text(f"{digest} {wheel.name}\n", encoding="utf-8")
    return _piece(pin.name, wheel.name, final)


def _unpacked(here: Transport, pin: Pin, source: Path | None, scratch: Path) -> Path:
    """What `uv build` takes: an archive under its own name, a clone, or the folder's copy (backends write beside it)."""
    if source:
        archive = scratch / pin.file
        archive.symlink_to(source)
        return archive
    below = unquote(urlsplit(pin.url).fragment.removeprefix("subdirectory="))
    if pin.url.startswith("file:"):
        import shutil

        from nuages.environments.wishes import SKIPPED_FOLDERS

        copy = scratch / "folder"
        shutil.copytree(unquote(urlsplit(pin.url).path), copy, symlinks=True, ignore=shutil.ignore_patterns(*SKIPPED_FOLDERS))
        return copy
    address, _, commit = urlsplit(pin.url)._replace(fragment="").geturl().removeprefix("git+").rpartition("@")
    clone = scratch / "clone"
    for argv in (
        ("git", "clone", "--quiet", "--no-checkout", address, str(clone)),
        ("git", "-C", str(clone), "checkout", "--quiet", commit),
    ):
        result = here.run(Command(argv, env={"GIT_TERMINAL_PROMPT": "0"}, timeout=900))
        if not result.ok:
            raise EnvironmentBuildError(f"can't fetch {mask(pin.url)}", where=pin.name, detail=mask(result.tail(3)))
    return clone / below


def _build(here: Transport, source: Path, out: Path, python: str, target: Target) -> tuple[Path | None, str]:
    arguments = ("build", "--wheel", "--out-dir", str(out), "--python", python, "--no-config", "--quiet", str(source))
    result = here.run(uv(*arguments, cwd=str(out.parent), env={"SOURCE_DATE_EPOCH": LATER}, timeout=1800))
    found = sorted(out.glob("*.whl"))
    return (found[0], "") if result.ok and found else (None, result.stderr)


def _is_pure(file: str) -> bool:
    return file.endswith("-none-any.whl")


def _unbuilt(pin: Pin, said: str, target: Target) -> EnvironmentBuildError:
    """A folder or repository with compiled code: here is another machine, and its build is for that one."""
    if said:
        what, detail, hint = explain(said, Python(target.python, target.path))
        return EnvironmentBuildError(what, where=pin.name, detail=detail, hint=hint)
    hint = "build a wheel of it on such a machine, and name that in the requirements"
    where = mask(pin.url)
    return EnvironmentBuildError(
        f"{pin.name} has compiled code and no wheel for {target.os or 'the server'}", where=where, hint=hint
    )
