"""What exists only as source: pure Python becomes a wheel on this machine, the rest is prepared to be built on the host."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tarfile
import tempfile
import tomllib
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from packaging.tags import Tag

from nuages.environments.explain import explain
from nuages.environments.model import Lock, Piece, Pin, Python, Target
from nuages.environments.resolver import resolve
from nuages.environments.system_packages import COMPILER, system_packages
from nuages.environments.target import find_pins, rank, reader, target_tags
from nuages.environments.uv import uv
from nuages.environments.wishes import SKIPPED_FOLDERS, Wishes, mask
from nuages.errors import EnvironmentBuildError
from nuages.hosts.command import Command
from nuages.hosts.transport import Progress, Transport


FIRST_DAY = "315532800"  # 1980-01-01, the first that a zip can hold: the same source gives the same wheel
OLD_BACKEND = {"build-backend": "setuptools.build_meta:__legacy__", "requires": ["setuptools>=40.8", "wheel"]}  # PEP 517
Download = Callable[[tuple[Pin, ...]], tuple[Piece, ...]]


@dataclass(frozen=True)
class Workshop:
    """What building needs besides the source."""

    here: Transport
    lock: Lock
    target: Target
    folder: Path  # the cache of files by digest; `built/` in it remembers what became of sources
    download: Download
    progress: Progress


def from_source(shop: Workshop, pin: Pin, archive: Path | None) -> Piece:
    """A wheel made here where any machine can use it; else the archive with what building it on the host takes.

    `archive` is None for a folder or a repository. Raises EnvironmentBuildError where neither is to be had.
    """
    note = shop.folder / "built" / _key(pin, shop.target)
    kept = _kept(shop, pin, archive, note)
    if kept:
        return kept
    shop.progress(f"building {pin.name}, which has no wheel")
    with tempfile.TemporaryDirectory(prefix="nuages-source-") as scratch:
        place = _unpacked(shop.here, pin, archive, Path(scratch))
        wheel, said = _build(shop, place, Path(scratch, "wheels"))
        if wheel and wheel.name.endswith("-none-any.whl") and rank(wheel.name, _tags(shop.target)) >= 0:
            return _keep_wheel(shop, pin, wheel, note)
    if not archive:
        raise _unbuilt(pin, said, shop.target)
    return _for_host(shop, pin, archive, note)


def _tags(target: Target) -> Mapping[Tag, int]:
    return {tag: n for n, tag in enumerate(target_tags(target))}


def _key(pin: Pin, target: Target) -> str:
    text = "\0".join((pin.name, pin.sha256 or pin.built or pin.url, target.python, target.arch, target.libc))
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _kept(shop: Workshop, pin: Pin, archive: Path | None, note: Path) -> Piece | None:
    try:
        told: dict[str, Any] = json.loads(note.read_text("utf-8"))
        if "file" in told:
            return Piece.of(pin.name, told["file"], shop.folder / told["sha256"])
        requires = shop.download(tuple(Pin(**each) for each in told["requires"]))
        return _source(pin, archive, told, requires) if archive else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _note(note: Path, told: Mapping[str, object]) -> None:
    note.parent.mkdir(exist_ok=True)
    note.touch(mode=0o600)  # a url may hold a password
    note.write_text(json.dumps(told), encoding="utf-8")


def _keep_wheel(shop: Workshop, pin: Pin, wheel: Path, note: Path) -> Piece:
    content = wheel.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    partial = shop.folder / f"{digest}.{os.getpid()}.partial"
    partial.write_bytes(content)
    partial.replace(shop.folder / digest)
    _note(note, {"file": wheel.name, "sha256": digest})
    return Piece.of(pin.name, wheel.name, shop.folder / digest)


def _unpacked(here: Transport, pin: Pin, archive: Path | None, scratch: Path) -> Path:
    """What `uv build` takes: an archive under its own name, a clone, or a folder's copy (backends write beside it)."""
    if archive:
        named = scratch / pin.file
        named.symlink_to(archive)
        return named
    if pin.url.startswith("file:"):
        copy = scratch / "folder"
        shutil.copytree(unquote(urlsplit(pin.url).path), copy, symlinks=True, ignore=shutil.ignore_patterns(*SKIPPED_FOLDERS))
        return copy
    below = unquote(urlsplit(pin.url).fragment.removeprefix("subdirectory="))
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


def _build(shop: Workshop, source: Path, out: Path) -> tuple[Path | None, str]:
    python = reader(shop.here, shop.target)
    arguments = ("build", "--wheel", "--out-dir", str(out), "--python", python, "--quiet", str(source))
    env = {**shop.lock.index_environment, "SOURCE_DATE_EPOCH": FIRST_DAY}
    result = shop.here.run(uv(*arguments, cwd=str(out.parent), env=env, timeout=1800))
    found = sorted(out.glob("*.whl"))
    return (found[0], "") if result.ok and found else (None, result.stderr)


def _unbuilt(pin: Pin, said: str, target: Target) -> EnvironmentBuildError:
    """A folder or repository with compiled code: this is another machine, and a build of it is for this one."""
    if said:
        what, detail, hint = explain(said, Python(target.python, target.path))
        return EnvironmentBuildError(what, where=pin.name, detail=detail, hint=hint)
    what = f"{pin.name} has compiled code and no wheel for {target.os or 'the server'}"
    hint = "build a wheel of it on such a machine, and name that in the requirements"
    return EnvironmentBuildError(what, where=mask(pin.url), hint=hint)


# --- for the host --------------------------------------------------------------------------------------------


def _for_host(shop: Workshop, pin: Pin, archive: Path, note: Path) -> Piece:
    told = read_build_system(archive, pin.file)
    requires = _requirements(shop, pin, told["requires"])
    _note(note, {**told, "requires": [asdict(each) for each in requires]})
    return _source(pin, archive, told, shop.download(requires))


def _source(pin: Pin, archive: Path, told: Mapping[str, Any], requires: tuple[Piece, ...]) -> Piece:
    apt = system_packages([pin.name]).get(pin.name) or COMPILER
    piece = Piece.of(pin.name, pin.file, archive)
    return replace(piece, backend=told["backend"], backend_path=tuple(told["path"]), requires=requires, apt=apt)


def read_build_system(archive: Path, file: str) -> dict[str, Any]:
    """[build-system] of a source archive, with what PEP 517 says where there is none."""
    text = _read_member(archive, file, "pyproject.toml")
    table = tomllib.loads(text).get("build-system") or {} if text else {}
    if not table.get("build-backend"):
        table = {**OLD_BACKEND, **({"requires": [*table["requires"], "wheel"]} if table.get("requires") else {})}
    return {"backend": table["build-backend"], "path": table.get("backend-path", []), "requires": table.get("requires", [])}


def _read_member(archive: Path, file: str, name: str) -> str:
    fits = re.compile(rf"[^/]+/{re.escape(name)}")
    if file.endswith(".zip"):
        with zipfile.ZipFile(archive) as opened:
            found = next((each for each in opened.namelist() if fits.fullmatch(each)), "")
            return opened.read(found).decode("utf-8") if found else ""
    with tarfile.open(archive) as tar:
        for member in tar:
            if member.isfile() and fits.fullmatch(member.name.removeprefix("./")):
                content = tar.extractfile(member)
                return content.read().decode("utf-8") if content else ""
    return ""


def _requirements(shop: Workshop, pin: Pin, lines: list[str]) -> tuple[Pin, ...]:
    """Wheels of what the build imports, for the target."""
    here, target = shop.here, shop.target
    python = replace(shop.lock.python, path=reader(here, target))
    found = resolve(here, Path("/"), Wishes(lines=tuple(lines)), python)
    if not found.ok or found.built:
        what, detail, hint = explain(found.failure, python) if not found.ok else (f"{found.built[0]} has no wheel", "", "")
        raise EnvironmentBuildError(f"to build {pin.name}: {what}", where=pin.name, detail=detail, hint=hint)
    lock = replace(shop.lock, text="".join(f"{line}\n" for line in found.lines))
    return find_pins(here, lock, python, target, shop.progress)
