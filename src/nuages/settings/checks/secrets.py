"""Secrets where others can read them: in tracked files."""

from __future__ import annotations

import ast
import fnmatch
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path, PurePosixPath

from nuages.settings.checks.patterns import PLACEHOLDER, SAMPLE_PATHS, secrets_in
from nuages.settings.checks.registry import Context, check, finding
from nuages.settings.model import Finding


SECRET_NAMES = ("*SECRET*", "*PASSWORD*", "*PASSWD*", "*TOKEN*", "*API_KEY*", "*PRIVATE_KEY*", "*ACCESS_KEY*")
MOST_FILES = 20_000
MOST_BYTES = 100_000_000
SERVED_WITH = (
    "if this key ever served in production, whoever reads the repository can forge sessions there: "
    "read it from the environment and replace it"
)


def looks_real(value: str, shortest: int = 1) -> bool:
    return len(value) >= shortest and not PLACEHOLDER.search(value)


@check("secrets.N001")
def secret_key_is_written_down(context: Context) -> Iterator[Finding]:
    tracked = set(context.source.tracked)
    keys = [(m, v) for m in context.source.settings for name, v in m.assignments() if name == "SECRET_KEY"]
    literal = [(m, v, v.value) for m, v in keys if isinstance(v, ast.Constant) and isinstance(v.value, str) and v.value]
    in_force = len(literal) == len(keys)  # nothing reads another one from the environment or a file
    for module, node, value in literal:
        real = in_force and looks_real(value, 32)
        if module.path in tracked:
            yield finding(
                "secrets.N001",
                "warning" if real else "info",
                "SECRET_KEY is written in a tracked file; production gets a key of its own",
                where=module.at(node),
                hint=SERVED_WITH if real else "read it from the environment, so that nobody serves with this one by accident",
            )


@check("secrets.N002")
def secrets_in_tracked_files(context: Context) -> Iterator[Finding]:
    budget = MOST_BYTES
    for path in context.source.tracked[:MOST_FILES]:
        if SAMPLE_PATHS.search(path):
            continue
        text = context.source.text(path)
        budget -= len(text)
        if budget < 0:
            return
        for what, line in secrets_in(text):
            yield finding(
                "secrets.N002",
                "warning",
                f"{what} is in a tracked file",
                where=f"{path}:{line}",
                hint="revoke it where it was issued, then take it out of the repository: everybody with a clone has it",
            )


def is_env_file(path: str) -> bool:
    name = PurePosixPath(path).name
    return (name in (".env", ".environment", ".envrc") or name.startswith(".env.")) and not any(
        word in name for word in ("example", "sample", "template", "dist", "test", "ci", "dev", "local")
    )


def secret_values(text: str) -> list[str]:
    """Names in a file of NAME=value lines that are named like secrets and hold more than a placeholder."""
    found = []
    for line in text.splitlines():
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        value = value.strip().strip("'\"")
        named = any(fnmatch.fnmatchcase(name.strip().upper(), pattern) for pattern in SECRET_NAMES)
        if equals and named and not value.startswith(("$", "<", "{")) and looks_real(value, 8):
            found.append(name.strip())
    return found


@check("secrets.N003")
def tracked_env_file(context: Context) -> Iterator[Finding]:
    for path in context.source.tracked:
        if not context.source.in_git or not is_env_file(path) or SAMPLE_PATHS.search(path):
            continue
        names = secret_values(context.source.text(path))
        if names:
            yield finding(
                "secrets.N003",
                "warning",
                f"{path} is tracked and gives {', '.join(names[:5])}",
                where=path,
                hint=f"git rm --cached {path}, ignore it, replace the values, and `nuages config import {path}` on the host",
            )


@check("secrets.N006")
def tracked_database_with_accounts(context: Context) -> Iterator[Finding]:
    for path in context.source.tracked:
        if not context.source.in_git or not path.endswith((".sqlite3", ".sqlite", ".db")) or SAMPLE_PATHS.search(path):
            continue
        users = accounts_in(context.root / path)
        if users:
            yield finding(
                "secrets.N006",
                "warning",
                f"a tracked database holds {users} user account{'s' if users > 1 else ''} with password hashes",
                where=path,
                hint=f"git rm --cached {path} and ignore it; production never uses this file",
            )


def accounts_in(path: Path) -> int:
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True, timeout=1)) as connection:
            return int(connection.execute("SELECT count(*) FROM auth_user").fetchone()[0])
    except (sqlite3.Error, OSError):
        return 0


@check("secrets.N007")
def password_in_the_settings(context: Context) -> Iterator[Finding]:
    tracked = set(context.source.tracked)
    for module in context.source.settings:
        if module.path not in tracked:
            continue
        for what, node in passwords(module.tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and looks_real(node.value, 8):
                yield finding(
                    "secrets.N007",
                    "warning",
                    f"{what} is written in a tracked file",
                    where=module.at(node),
                    hint="read it from the environment (`nuages config set`) and replace it where it is used",
                )


def passwords(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name) and target.id in (
                    "EMAIL_HOST_PASSWORD",
                    "AWS_SECRET_ACCESS_KEY",
                ):
                    yield target.id, node.value
                if isinstance(target, ast.Name) and target.id == "DATABASES":
                    yield from database_passwords(node.value)


def database_passwords(node: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    for inner in ast.walk(node):
        if isinstance(inner, ast.Dict):
            for key, value in zip(inner.keys, inner.values, strict=True):
                if isinstance(key, ast.Constant) and key.value == "PASSWORD":
                    yield "a database password", value
