"""The source of a release: tracked and unignored files, with one digest over names, modes and contents."""

from __future__ import annotations

import fnmatch
import hashlib
import json
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from nuages.errors import ProjectError
from nuages.hosts.command import run
from nuages.hosts.transport import Transport


# Outside git there is no list of what to ignore, so these are.
IGNORED_FOLDERS = {
    ".git",
    ".hg",
    ".svn",
    ".venv",
    "venv",
    "env",
    ".env",
    "node_modules",
    "__pycache__",
    ".tox",
    ".nox",
    ".mypy_cache",
    ".ruff_cache",
    ".pytest_cache",
    ".idea",
    ".vscode",
}
# No .env file travels (its values belong in `nuages config`), and a developer's own database is never served.
NEVER = (
    ".env",
    ".env.*",
    "*.env",
    "*.pyc",
    "*.sqlite3",
    "*.sqlite3-*",
    "db.sqlite",
    "*.sqlite-*",
    ".DS_Store",
)
DUMPS = {".tar": (b"database.dump\0", b"database.sqlite3"), ".dump": (b"PGDMP",)}  # suffix -> how such a file begins
DECLARED = "nuages.toml"  # what of it makes another build is in the build's choices: an edit of the rest is no new code
KEPT = ("*.example", "*.sample", "*.template", "*.dist", "*.tmpl")


@dataclass(frozen=True)
class Source:
    """`files` are relative paths; `digest` covers their content; `commit` is "" outside git; `dirty` when the
    working tree differs from it."""

    root: Path
    files: tuple[str, ...]
    digest: str
    commit: str = ""
    branch: str = ""
    dirty: bool = False


def read_source(root: Path, here: Transport, cache: Path) -> Source:
    """List and digest the project. A file's digest is remembered by size and time of change, so a second look is quick."""
    in_git = any((folder / ".git").exists() for folder in (root, *root.parents))
    listed = (
        here.run(run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=str(root))) if in_git else None
    )
    names = listed.stdout.split("\0") if listed and listed.ok else _walk(root)
    listed_names = [n for n in _with_submodules(root, names, here) if n and n != DECLARED and not never(n)]
    _refuse_unreadable_names(root, listed_names)
    files = tuple(sorted({n for n in listed_names if _is_file(root / n) and not _is_dump(root / n)}))
    if not files:
        raise ProjectError(
            "there are no files here that git tracks or would track",
            where=str(root),
            hint="git add them, or look into .gitignore",
        )
    total = hashlib.sha256()
    for name, digest in zip(files, _digests(root, files, cache), strict=True):
        total.update(f"{name}\0{digest}\n".encode("utf-8", "surrogateescape"))
    commit, branch, dirty = _commit(root, here) if listed and listed.ok else ("", "", False)
    return Source(root, files, total.hexdigest(), commit, branch, dirty)


def _refuse_unreadable_names(root: Path, names: list[str]) -> None:
    """A transport decodes with replacement, so such a file would be left out without a word."""
    odd = [n for n in names if "\ufffd" in n and not _is_file(root / n)]
    if odd:
        raise ProjectError("the name of this file is not UTF-8", where=odd[0], hint="rename it, or have git ignore it")


def never(name: str) -> bool:
    """Files that never travel. An example beside them does."""
    base = name.rsplit("/", 1)[-1]
    return any(fnmatch.fnmatch(base, p) for p in NEVER) and not any(fnmatch.fnmatch(base, p) for p in KEPT)


def _is_file(path: Path) -> bool:
    return path.is_symlink() or path.is_file()


def _is_dump(path: Path) -> bool:
    """Rows that `nuages db backup` or `db pull` wrote, or pg_dump: they lie about in the project, and are no part of it."""
    if path.suffix not in DUMPS or not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            return file.read(16).startswith(DUMPS[path.suffix])
    except OSError:
        return False  # told by whoever reads it next


def _walk(root: Path) -> list[str]:
    found = []
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(f for f in folders if f not in IGNORED_FOLDERS and not (Path(folder) / f / "pyvenv.cfg").exists())
        found += [str((Path(folder) / name).relative_to(root)) for name in names]
    return found


def _with_submodules(root: Path, names: list[str], here: Transport) -> list[str]:
    """git lists a submodule as one entry: list what is inside of it as well."""
    found = []
    for name in names:
        if name and (root / name / ".git").exists() and (root / name).is_dir():
            inner = here.run(
                run(
                    "git",
                    "ls-files",
                    "-z",
                    "--cached",
                    "--others",
                    "--exclude-standard",
                    cwd=str(root / name),
                )
            )
            found += [f"{name.rstrip('/')}/{n}" for n in inner.stdout.split("\0") if n]
        else:
            found.append(name)
    return found


def _digests(root: Path, files: tuple[str, ...], cache: Path) -> list[str]:
    try:
        known = {k: tuple(v) for k, v in json.loads(cache.read_text()).items()}
    except (OSError, ValueError, AttributeError, TypeError):
        known = {}
    remembered: dict[str, tuple[str, str]] = {}
    for name in files:
        info = (root / name).lstat()
        key = f"{info.st_size}:{info.st_mtime_ns}:{info.st_ino}:{info.st_mode}"
        entry = known.get(name)
        remembered[name] = (key, entry[1] if entry and entry[0] == key else _digest(root / name, info))
    if remembered != known:
        cache.parent.mkdir(parents=True, exist_ok=True)
        partial = cache.with_suffix(f".{os.getpid()}.partial")
        partial.write_text(json.dumps(remembered))
        partial.replace(cache)
    return [digest for _key, digest in remembered.values()]


def _digest(path: Path, info: os.stat_result) -> str:
    if stat.S_ISLNK(info.st_mode):
        return "link:" + os.readlink(path)
    executable = "x" if info.st_mode & 0o100 else "-"
    try:
        return executable + hashlib.sha256(path.read_bytes()).hexdigest()
    except PermissionError as error:
        raise ProjectError("can't be read", where=str(path), hint="chmod it, or have git ignore it") from error


def _commit(root: Path, here: Transport) -> tuple[str, str, bool]:
    """One git call for commit, branch and cleanliness of this folder."""
    status = here.run(run("git", "status", "--porcelain=v2", "--branch", "--untracked-files=normal", ".", cwd=str(root)))
    head = dict(line[2:].split(" ", 1) for line in status.stdout.splitlines() if line.startswith("# branch.") and " " in line[2:])
    commit = head.get("branch.oid", "")
    dirty = any(not line.startswith("#") for line in status.stdout.splitlines())
    return ("" if commit == "(initial)" else commit), head.get("branch.head", ""), dirty
