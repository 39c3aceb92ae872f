"""How a project's tests are run: by pytest where it has set that up, else by manage.py; and what a runner says at its end."""

from __future__ import annotations

import configparser
import contextlib
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from nuages.environments.forms.toml_files import read_toml, table
from nuages.environments.model import Environment


# "5 passed in 0.31s", "Ran 12 tests in 0.4s": what is kept of a run that passed.
SUMMARY = re.compile(
    r"^(=+ )?((\d+ \w+, )*\d+ (passed|skipped|failed|error|xfailed|warning)\w*.* in [\d.]+ ?s.*?|Ran \d+ tests? in .*)( =+)?$"
)
PYTEST_FILES = (
    ("pytest.ini", "pytest"),
    (".pytest.ini", "pytest"),
    ("pytest.toml", ""),
    ("setup.cfg", "tool:pytest"),
    ("tox.ini", "pytest"),
)


@dataclass(frozen=True)
class Runner:
    """What is run: argv without the interpreter's folder, and where, relative to the source."""

    argv: tuple[str, ...]
    folder: str = "."

    def __str__(self) -> str:
        return shlex.join(self.argv)


def choose_runner(wish: str, root: Path, manage: str, environment: Environment) -> Runner:
    """`auto`: pytest where the project has configured it and it is installed, else manage.py test."""
    if wish != "auto":
        return Runner(tuple(shlex.split(wish)))
    configured = pytest_options(root)
    if configured is not None and "pytest" in environment.lock.versions:
        return Runner(("python", "-m", "pytest"))
    path = Path(manage)
    return Runner(("python", path.name, "test", "--noinput"), str(path.parent))


def pytest_options(root: Path) -> Mapping[str, str] | None:
    """What the project tells pytest; None where it does not know of pytest."""
    options = table(read_toml(root / "pyproject.toml"), "tool", "pytest")
    if options:
        return {str(k): str(v) for k, v in (table(options, "ini_options") or options).items()}
    for name, section in PYTEST_FILES:
        if not (root / name).is_file():
            continue
        if not section:
            return {str(k): str(v) for k, v in table(read_toml(root / name), "pytest").items()}
        parser = configparser.RawConfigParser(strict=False)
        parser.optionxform = str  # type: ignore[assignment,method-assign]
        with contextlib.suppress(configparser.Error, OSError, UnicodeDecodeError):
            parser.read(root / name, encoding="utf-8")
        if parser.has_section(section):
            return dict(parser.items(section))
        if name.endswith("pytest.ini"):
            return {}
    return None
