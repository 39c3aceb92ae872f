"""Pythons that are on this machine already, found in a few milliseconds when nothing changed."""

from __future__ import annotations

import contextlib
import glob
import json
import os
import re
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from nuages.environments.model import Python
from nuages.environments.uv import uv
from nuages.errors import HostError
from nuages.hosts.command import Command
from nuages.hosts.transport import Transport


OLDEST = (3, 8)
NAME = re.compile(r"python3(\.\d+)?$")
# One question; a Python without ssl can't reach anything, a free-threaded one has few wheels.
QUESTION = """\
import sys, json
answer = {"version": "%d.%d.%d" % sys.version_info[:3], "fit": True}
try:
    import ssl, zlib, hashlib, ctypes
    import sysconfig
    answer["fit"] = (sys.implementation.name == "cpython" and sys.version_info.releaselevel == "final"
                     and not sysconfig.get_config_var("Py_GIL_DISABLED"))
except ImportError:
    answer["fit"] = False
try:
    import sqlite3
except ImportError:
    answer["why"] = "without sqlite3"
print(json.dumps(answer))
"""


def interpreters(here: Transport) -> tuple[Python, ...]:
    """CPythons from 3.8 on, newest first, one for each exact version. Nothing that a shim or a venv hides."""
    known = _load()
    paths = {_key(path): path for path in _paths(here)}
    unknown = [key for key in paths if key not in known]
    with ThreadPoolExecutor(4) as pool:
        answers = dict(zip(unknown, pool.map(lambda key: _ask(here, paths[key]), unknown), strict=True))
    fresh = {key: known.get(key) or answers[key] for key in paths}
    if fresh != known:
        _save(fresh)
    found: dict[str, Python] = {}
    for key, answer in fresh.items():
        version = str(answer.get("version", "0"))
        if answer.get("fit") and numbers(version) >= OLDEST:
            found.setdefault(version, Python(version, key.split("|")[0], str(answer.get("why", ""))))
    return tuple(sorted(found.values(), key=lambda p: numbers(p.version), reverse=True))


def _key(path: str) -> str:
    info = os.stat(path)
    return f"{path}|{info.st_mtime_ns}|{info.st_size}"


def numbers(version: str) -> tuple[int, ...]:
    return tuple(int(n) for n in re.findall(r"\d+", version)[:3])


def _paths(here: Transport) -> Iterator[str]:
    """Real paths, each once. What people installed on purpose comes before what the system brings."""
    home = os.path.expanduser("~")
    pyenv = os.environ.get("PYENV_ROOT", f"{home}/.pyenv")
    patterns = [
        f"{pyenv}/versions/*/bin/python3",
        *(f"{folder}/*/bin/python3" for folder in _uv_folders(here, home)),
        f"{home}/.asdf/installs/python/*/bin/python3",
        f"{home}/.local/share/mise/installs/python/*/bin/python3",
        "/opt/homebrew/opt/python@3.*/bin/python3.*",
        "/usr/local/opt/python@3.*/bin/python3.*",
        "/Library/Frameworks/Python.framework/Versions/3.*/bin/python3",
    ]
    found = [path for pattern in patterns for path in sorted(glob.glob(pattern))]
    for folder in dict.fromkeys(
        [
            *os.environ.get("PATH", os.defpath).split(os.pathsep),
            "/usr/local/bin",
            "/usr/bin",
            "/opt/homebrew/bin",
        ]
    ):
        with contextlib.suppress(OSError):
            found += sorted(e.path for e in os.scandir(folder or ".") if NAME.match(e.name))
    seen = set()
    for path in (*found, getattr(sys, "_base_executable", sys.executable)):
        real = os.path.realpath(path)
        if real not in seen and _is_program(real):
            seen.add(real)
            # Homebrew's real path holds the patch version and goes away with the next upgrade.
            yield path if "/Cellar/" in real else real


def _is_program(path: str) -> bool:
    """Not a pyenv or asdf shim: those are scripts, and fail where no version is chosen."""
    try:
        with open(path, "rb") as file:
            return file.read(2) != b"#!" and os.access(path, os.X_OK)
    except OSError:
        return False


def _uv_folders(here: Transport, home: str) -> list[str]:
    usual = [
        f"{home}/.local/share/uv/python",
        os.path.join(os.environ.get("XDG_DATA_HOME", f"{home}/.local/share"), "uv", "python"),
    ]
    if "UV_PYTHON_INSTALL_DIR" in os.environ:
        with contextlib.suppress(HostError):
            usual.insert(0, here.run(uv("python", "dir")).stdout.strip())
    return list(dict.fromkeys(usual))


def _ask(here: Transport, path: str) -> dict[str, str | bool]:
    try:
        result = here.run(Command((path, "-I", "-S", "-c", QUESTION), timeout=20))
        answer = json.loads(result.stdout)
    except (HostError, ValueError):
        return {"fit": False}
    return answer if isinstance(answer, dict) else {"fit": False}


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(base, "nuages", "interpreters-1.json")


def _load() -> dict[str, dict[str, str | bool]]:
    with contextlib.suppress(OSError, ValueError):
        known = json.loads(_cache().read_text(encoding="utf-8"))
        if isinstance(known, dict):
            return known
    return {}


def _save(known: dict[str, dict[str, str | bool]]) -> None:
    """A cache that can't be written only costs time."""
    with contextlib.suppress(OSError):
        path = _cache()
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(f".{os.getpid()}")
        partial.write_text(json.dumps(known), encoding="utf-8")
        partial.replace(path)
