"""Variables as text: .env files, what a shell reads, what Heroku prints."""

from __future__ import annotations

import io
import json
import re
import shlex
from collections.abc import Mapping
from typing import Any

from nuages.errors import UsageError


PLAIN = re.compile(r"[A-Za-z0-9_./:@%+,=-]*")
ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=", re.ASCII)


def as_dotenv(values: Mapping[str, str]) -> str:
    """Every value as python-dotenv reads it back, whatever is in it."""
    return "".join(f"{name}={_quoted(value)}\n" for name, value in sorted(values.items()))


def _quoted(value: str) -> str:
    if PLAIN.fullmatch(value):
        return value
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def as_shell(values: Mapping[str, str]) -> str:
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in sorted(values.items()))


def parse_dotenv(text: str) -> dict[str, str]:
    """As python-dotenv reads it, without looking at this process's environment; empty values are kept."""
    from dotenv import dotenv_values

    values = dotenv_values(stream=io.StringIO(text), interpolate=False)
    return {k: v for k, v in values.items() if v is not None}


def parse_strictly(text: str, where: str = "") -> dict[str, str]:
    """The same, but for text that stands for all variables: a line that can't be read would be a variable lost.
    Raises UsageError."""
    found = _broken(text)
    if found is None:
        return parse_dotenv(text)
    line = found.original.string.strip().splitlines()[0]
    what = f"line {found.original.line} is not NAME=VALUE"
    raise UsageError(what, where=where, hint=f"it begins with {line.partition('=')[0][:40]!r}; quote what holds spaces")


def parse_exported(text: str, where: str = "") -> dict[str, str]:
    """A .env file, or what `heroku config --json`, `heroku config -s` or `heroku config` wrote. Raises UsageError."""
    if text.lstrip().startswith("{"):
        return _parse_json(text, where)
    plain = re.sub(r"^=== .*$", "", text, flags=re.MULTILINE)  # the heading of a plain `heroku config`
    table = [re.fullmatch(r"([A-Za-z_]\w*):\s+(\S.*)", line) for line in plain.splitlines() if line.strip()]
    if table and all(table):
        return {found[1]: found[2] for found in table if found}
    if not _broken(plain):
        return parse_dotenv(plain)
    try:  # 'it'\''s', as a shell has it
        words = [word for word in shlex.split(plain, comments=True) if word != "export"]
    except ValueError:
        words = [""]
    if all(ASSIGNMENT.match(word) for word in words):
        return dict(word.split("=", 1) for word in words)
    return parse_dotenv(plain)


def _broken(text: str) -> Any:
    """The first line that python-dotenv can't read; None where there is none."""
    from dotenv.parser import parse_stream

    return next((f for f in parse_stream(io.StringIO(text)) if f.error or (f.key is not None and f.value is None)), None)


def _parse_json(text: str, where: str) -> dict[str, str]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise UsageError(f"is not valid JSON: {error}", where=where) from error
    odd = [name for name, value in found.items() if isinstance(value, dict | list)]
    if odd:
        raise UsageError(f"{', '.join(odd)}: should be text", where=where)
    return {name: "" if value is None else str(value) for name, value in found.items()}
