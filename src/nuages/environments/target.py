"""A lock for the exact Python and platform of another machine: markers are the target's, every file has its digest."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from packaging.specifiers import SpecifierSet
from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from nuages.environments import hook
from nuages.environments.hints import binds
from nuages.environments.interpreters import interpreters, numbers
from nuages.environments.locking import digest, make_lock
from nuages.environments.model import Lock, Pin, Python, PythonHint, Requirements, Target
from nuages.environments.python_choice import wish
from nuages.environments.requirements import read_wishes
from nuages.environments.resolver import for_python
from nuages.environments.uv import uv
from nuages.environments.wishes import digest_folder
from nuages.errors import EnvironmentBuildError, PythonMissingError
from nuages.hosts.transport import Progress, Transport


__all__ = ["Target", "platform_of", "target_key", "target_lock", "target_tags"]

NAMED_GLIBC = (17, 28, *range(31, 41))  # 2.x that uv has a name for; wheels for newer ones don't exist yet
# What each system brings, for the choices of an error.
SYSTEM_PYTHONS = {"Debian 12": "3.11", "Debian 13": "3.13", "Ubuntu 22.04": "3.10", "Ubuntu 24.04": "3.12"}

ANOTHER_PYTHON = (
    "a Python in /usr/local or /opt of the server (uv python install --install-dir /opt/python; without internet from "
    "UV_PYTHON_INSTALL_MIRROR)"
)


def target_lock(
    here: Transport,
    root: Path,
    requirements: Requirements,
    hints: Sequence[PythonHint],
    wanted_python: str,
    stack: tuple[str, ...],
    target: Target,
    keep: Path,
    progress: Progress,
    *,
    prefer: Mapping[str, str] | None = None,
) -> Lock:
    """`make_lock` for the Python of another machine, with a pin for every package.

    Kept under `keep` like any lock. `prefer`: the versions that are live, so that another laptop makes the same lock.
    Raises PythonMissingError where the target's Python is not one that the project accepts.
    """
    refuse_python(target, hints, wanted_python)
    platform = platform_of(target)
    only = Python(target.python, reader(here, target), platform=platform)
    lock = make_lock(here, root, requirements, hints, "", stack, keep, progress, prefer=prefer, only=only)
    path = keep / f"pins-{digest(lock.text, target.python, platform)}.json"
    pins = _kept(path) or _save(path, find_pins(here, lock, only, target, progress))
    refuse_other_files(root, requirements, lock, pins)
    text = "".join(f"{_line(pin)}\n" for pin in pins)
    there = Python(target.python, target.path, platform=platform)
    return replace(lock, text=text, digest=hashlib.sha256(text.encode()).hexdigest(), python=there, pins=pins)


def target_key(lock: Lock) -> str:
    """As `environment_key`: of the lock with its digests, the exact Python and where it lies, and the hook."""
    parts = (lock.text, lock.python.version, lock.python.path, lock.python.platform, *hook.FILES.values())
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def choose_python(target: Target, others: Mapping[str, str], hints: Sequence[PythonHint], wanted: str) -> Target:
    """The target with the system's Python where the project accepts it, else with the newest of `others` (path -> version)
    that it accepts. Where none fits, `target_lock` says so."""
    specs = [spec for spec, _who in accepted(hints, wanted)]
    fitting = [(numbers(version), path) for path, version in others.items() if all(version in spec for spec in specs)]
    if all(target.python in spec for spec in specs) or not fitting:
        return target
    path = max(fitting)[1]
    return replace(target, python=others[path], path=path)


# --- the target ----------------------------------------------------------------------------------------------


def platform_of(target: Target) -> str:
    """As uv names it. Raises EnvironmentBuildError for a machine that no wheels are made for."""
    if target.arch not in ("x86_64", "aarch64"):
        what = f"there are no wheels for {target.arch or 'this machine'}: x86_64 and aarch64 are known"
        raise EnvironmentBuildError(what, where=target.os)
    if target.libc.startswith("musl"):
        return f"{target.arch}-unknown-linux-musl"
    minor = (*numbers(target.libc), 0, 0)[1]
    return f"{target.arch}-manylinux_2_{max((n for n in NAMED_GLIBC if n <= minor), default=17)}"


def target_tags(target: Target) -> list[Tag]:
    """The wheel tags that the target accepts, the best first (PEP 425, PEP 600)."""
    series = numbers(target.python)[:2]
    major, minor = (*numbers(target.libc), 2, 17)[:2]
    if target.libc.startswith("musl"):
        platforms = [f"musllinux_{major}_{n}_{target.arch}" for n in range(minor, -1, -1)]
    else:
        old = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
        platforms = []
        for n in range(minor, 4, -1):
            platforms += [f"manylinux_{major}_{n}_{target.arch}", *([f"{old[n]}_{target.arch}"] if n in old else [])]
    platforms.append(f"linux_{target.arch}")
    name = f"cp{series[0]}{series[1]}"
    return [*cpython_tags(series, [name], platforms), *compatible_tags(series, name, platforms)]


def reader(here: Transport, target: Target) -> str:
    """The interpreter here that is nearest to the target's: it reads the metadata of what exists only as source."""
    wanted = numbers(target.python)
    found = min(interpreters(here), key=lambda p: abs(numbers(p.version)[1] - wanted[1]), default=None)
    if not found:
        raise PythonMissingError("no Python on this machine can read packages", hint="install one (uv python install)")
    return found.path


def refuse_python(target: Target, hints: Sequence[PythonHint], wanted: str) -> None:
    """What an installer would refuse is refused here, with what can be done about it."""
    for spec, who in accepted(hints, wanted):
        if target.python in spec:
            continue
        systems = [f"{name} (Python {series})" for name, series in SYSTEM_PYTHONS.items() if f"{series}.99" in spec]
        choices = [f"a server with {' or '.join(systems)}"] if systems else []
        choices += [
            ANOTHER_PYTHON,
            'a project that accepts this one: requires-python, or python = "..." under [project] in nuages.toml',
        ]
        what = f"Python {target.python} of {target.os or 'the server'} does not fit {who}"
        raise PythonMissingError(what, where=target.path, hint="; ".join(choices))


def accepted(hints: Sequence[PythonHint], wanted: str) -> list[tuple[SpecifierSet, str]]:
    """What an installer, or nuages.toml, would have a Python be; and who says so."""
    if wanted:
        return [(wish(wanted), f"`python` in nuages.toml ({wanted})")]
    return [(SpecifierSet(h.spec), f"{h.where} ({h.spec})") for h in hints if binds(h)]


# --- pins ----------------------------------------------------------------------------------------------------


def find_pins(here: Transport, lock: Lock, python: Python, target: Target, progress: Progress) -> tuple[Pin, ...]:
    """Ask the index for the files of every line of a lock. The best wheel, else the source."""
    progress(f"finding wheels for Python {target.python} on {python.platform}")
    with tempfile.TemporaryDirectory(prefix="nuages-pins-") as scratch:
        arguments = ("--no-header", "--quiet", "--no-deps", *for_python(python), "--format", "pylock.toml", "-")
        command = uv("pip", "compile", *arguments, cwd=scratch, env=dict(lock.index_environment), stdin=lock.text)
        result = here.run(command)
    if not result.ok:
        from nuages.environments.explain import explain

        what, detail, hint = explain(result.stderr, python)
        raise EnvironmentBuildError(what, where="wheels", detail=detail, hint=hint)
    tags = {tag: rank for rank, tag in enumerate(target_tags(target))}
    return tuple(_pin(package, tags) for package in tomllib.loads(result.stdout).get("packages", ()))


def _pin(package: Mapping[str, Any], tags: Mapping[Tag, int]) -> Pin:
    """One entry of a pylock.toml (PEP 751)."""
    name, version = str(package["name"]), str(package.get("version", ""))
    if "directory" in package:
        path = os.path.normpath(os.path.join("/", package["directory"]["path"], package["directory"].get("subdirectory", "")))
        return Pin(name, version, f"file://{path}", built=digest_folder(Path(path)))
    if "vcs" in package:
        vcs = package["vcs"]
        below = f"#subdirectory={vcs['subdirectory']}" if vcs.get("subdirectory") else ""
        return Pin(name, version, f"{vcs['type']}+{vcs.get('url') or vcs['path']}@{vcs['commit-id']}{below}")
    if "archive" in package:
        return _file(name, version, package["archive"])
    wheels = sorted((w for w in package.get("wheels", ()) if rank(_name(w), tags) >= 0), key=lambda w: rank(_name(w), tags))
    if not wheels and "sdist" not in package:
        raise EnvironmentBuildError(f"{name} {version} has no wheel for the server and no source", where="wheels")
    return _file(name, version, wheels[0] if wheels else package["sdist"])


def _file(name: str, version: str, entry: Mapping[str, Any]) -> Pin:
    url = entry.get("url") or Path(os.path.join("/", entry["path"])).as_uri()
    return Pin(name, version, url, entry.get("hashes", {}).get("sha256", ""), int(entry.get("size", 0)))


def _name(entry: Mapping[str, Any]) -> str:
    return str(entry.get("name") or Pin("", "", entry.get("url") or f"file://{entry['path']}").file)


def rank(file: str, tags: Mapping[Tag, int]) -> int:
    """How well a wheel fits, 0 the best; -1 where it doesn't."""
    try:
        return min((tags[tag] for tag in parse_wheel_filename(file)[3] if tag in tags), default=-1)
    except InvalidWheelFilename:
        return -1


def _line(pin: Pin) -> str:
    """Another laptop writes the same line, so a folder is named by its content."""
    if pin.built:
        return f"{pin.name} @ file:.  # sha256:{pin.built}"
    if not pin.sha256:
        return f"{pin.name} @ {pin.url}"
    return (
        f"{pin.name}=={pin.version} --hash=sha256:{pin.sha256}" if pin.version else f"{pin.name} @ {pin.url}#sha256={pin.sha256}"
    )


def refuse_other_files(root: Path, requirements: Requirements, lock: Lock, pins: Iterable[Pin]) -> None:
    """A lock with digests says which files are meant; another file under the same name and version is refused."""
    texts = [
        (root / name).read_text("utf-8", "replace") for name in read_wishes(root, requirements).files if (root / name).is_file()
    ]
    known = {found for text in texts for found in re.findall(r"sha256[:=]\s*\"?([0-9a-f]{64})\b", text)}
    mine = [p for p in pins if p.name not in lock.added and p.sha256]
    if not known & {p.sha256 for p in mine}:
        return  # no digests, or of another kind
    other = [p for p in mine if p.sha256 not in known]
    if other:
        files = ", ".join(p.file for p in other[:4])
        hint = "make the lock anew (uv lock, poetry lock, pip-compile --generate-hashes) and look at what changed"
        raise EnvironmentBuildError(
            f"the index has files that the lock does not know: {files}", where=requirements.kind, hint=hint
        )


def _kept(path: Path) -> tuple[Pin, ...]:
    try:
        return tuple(Pin(**each) for each in json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return ()


def _save(path: Path, pins: tuple[Pin, ...]) -> tuple[Pin, ...]:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    partial.touch(mode=0o600)  # a url may hold a password
    partial.write_text(json.dumps([asdict(pin) for pin in pins], indent=1), encoding="utf-8")
    partial.replace(path)
    return pins
