"""From what uv says to what a person can do, in at most five lines."""

from __future__ import annotations

import re
import textwrap

from nuages.environments.model import Python
from nuages.environments.system_packages import apt_line, system_packages
from nuages.environments.uv import last_words
from nuages.environments.wishes import mask


UNREACHABLE = re.compile(
    r"Failed to fetch: `?(\S+?)`?$|error sending request for url \(([^)]+)\)|Could not resolve host: (\S+)",
    re.MULTILINE,
)
MISSING = re.compile(r"Because ([\w.-]+) was not found in (?:the package registry|the provided package locations)")
NO_VERSION = re.compile(r"there (?:is|are) no versions? of ([\w.-]+(?:\[[^\]]*\])?\S*)")
BUILD = re.compile(r"Failed to (?:download and )?build `?([\w.-]+?)(?:==|@|`| )")
DENIED = re.compile(r"401 Unauthorized|403 Forbidden|authentication required", re.IGNORECASE)


def explain(said: str, python: Python) -> tuple[str, str, str]:
    """(what, detail, hint). `said` is uv's standard error."""
    said = mask(said)
    for pattern, answer in (
        (
            r"No space left on device",
            ("the disk is full", "", "free some space and run the same command again"),
        ),
        (
            r"Read-only file system|Permission denied",
            ("can't write there", _path(said), "choose another place with XDG_DATA_HOME or XDG_CACHE_HOME"),
        ),
    ):
        if re.search(pattern, said):
            return answer
    return _build(said) or _unreachable(said) or _missing(said) or _unsatisfiable(said, python)


def _path(said: str) -> str:
    return last_words(said, 2)


def _build(said: str) -> tuple[str, str, str] | None:
    found = BUILD.search(said)
    if not found or "Git operation failed" in said:
        return None
    name = found[1]
    apt = system_packages([name])
    hint = (
        apt_line(apt)
        if apt
        else f"it has no wheel for this machine; {name} may need a compiler: sudo apt install build-essential"
    )
    return f"{name} does not build from source", _compiler_words(said), hint


def _compiler_words(said: str) -> str:
    """The lines that name the cause stand above a long tail of Python frames."""
    telling = re.compile(
        r"(fatal error|error:|not found|No such file|command .* failed|ModuleNotFoundError|ImportError|Error:)",
        re.IGNORECASE,
    )
    lines = [line.strip() for line in said.splitlines() if telling.search(line) and "hint:" not in line]
    own = [line for line in lines[1:] if not line.startswith(("error: Failed", "cause: The build backend", "Call to"))] or lines
    return "\n".join(line[:200] for line in list(dict.fromkeys(own))[:3])


def _unreachable(said: str) -> tuple[str, str, str] | None:
    found = UNREACHABLE.search(said)
    if not found:
        return None
    url = found[1] or found[2] or found[3]
    if DENIED.search(said):
        return f"{url} asks for a name and a password", "", "give them in UV_INDEX or in ~/.netrc"
    cause = [line.strip().removeprefix("cause: ") for line in said.splitlines() if line.strip().startswith(("cause:", "fatal:"))]
    hint = "is this machine online? A mirror: UV_DEFAULT_INDEX=https://...; behind a proxy: HTTPS_PROXY=..."
    return f"can't reach {url}", cause[-1] if cause else "", hint


def _missing(said: str) -> tuple[str, str, str] | None:
    found = MISSING.search(said)
    if not found:
        return None
    hint = "is it spelled right? A package of a private index needs --extra-index-url in the requirements, or UV_INDEX"
    return f"no index has a package named {found[1]}", "", hint


def _unsatisfiable(said: str, python: Python) -> tuple[str, str, str]:
    found = NO_VERSION.search(said)
    lines = [
        line.strip().removeprefix("cause: ")
        for line in said.splitlines()
        if re.match(r"\s*(cause:|And because|Because|\S.*incompatible)", line)
    ]
    detail = "\n".join(textwrap.shorten(line, 300, placeholder=" ...") for line in lines[:4]) or last_words(said, 4)
    if found and "depends on" not in said:
        return f"there is no version {found[1]}", detail, "correct it in the requirements"
    hint = "change one of them in the requirements, or choose another Python with `python` in nuages.toml"
    return f"the requirements don't fit together on Python {python.version}", detail, hint
