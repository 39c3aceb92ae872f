"""How this room calls uv: always with an explicit interpreter, never downloading one."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence

from nuages.errors import EnvironmentBuildError
from nuages.hosts.command import Command
from nuages.secret import Secret


@functools.cache
def uv_path() -> str:
    from uv import find_uv_bin

    try:
        return find_uv_bin()
    except FileNotFoundError as error:
        raise EnvironmentBuildError("uv is not beside this Python", hint="pip install --force-reinstall uv") from error


def uv(
    *arguments: str,
    cwd: str = "",
    env: Mapping[str, str | Secret] | None = None,
    stdin: str = "",
    timeout: float = 1800,
) -> Command:
    """A uv command whose output is for us to read: no colours, no spinner, no look at the shims on PATH."""
    quiet = {"UV_PYTHON_DOWNLOADS": "never", "UV_NO_PROGRESS": "1", "NO_COLOR": "1", "UV_VENV_CLEAR": "0"}
    argv = (uv_path(), "--color", "never", *arguments)
    return Command(argv, env={**quiet, **(env or {})}, cwd=cwd, stdin=stdin, timeout=timeout)


def last_words(text: str, lines: int = 5) -> str:
    """What uv said, without warnings and blank lines."""
    said = [line.rstrip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("warning:")]
    return "\n".join(said[-lines:])


def spell(names: Sequence[str], limit: int = 6) -> str:
    """`a, b and 3 more`."""
    shown = ", ".join(names[:limit])
    return f"{shown} and {len(names) - limit} more" if len(names) > limit else shown
