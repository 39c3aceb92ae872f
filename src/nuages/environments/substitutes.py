"""Packages that would have to be compiled: servers that ours stands in for, and the same code as a wheel."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import replace

from nuages.environments.stack import LEFT_BEHIND, does_not_import
from nuages.environments.wishes import Wishes, requirement_name


Which = Callable[[str], str | None]
# Same version, same modules, with libpq inside.
WHEELS = {"psycopg2": "psycopg2-binary", "psycopg-c": "psycopg-binary"}
# Imported only inside its own processes, and our stack serves the site.
SERVERS = ("uwsgi", "mod-wsgi")


def fit_to_machine(wishes: Wishes, which: Which = shutil.which, python: str = "") -> Wishes:
    """Drivers stay as they are where there is a compiler with pg_config; servers that take minutes to compile never do.
    `python`: the one that it is for, where no other one may be taken; a pin that can't work on it is lifted.
    """
    compiler = any(which(name) for name in ("cc", "gcc", "clang")) and bool(which("pg_config"))
    lines, notes = [], []
    for line in wishes.lines:
        name = requirement_name(line)
        if name in SERVERS:
            notes.append(f"{name} is left out: it has no wheel, and the site is served without it")
            continue
        swapped = line if compiler else _swap(line, name)
        if why := does_not_import(swapped, python):
            lines.append(f"{name}>={LEFT_BEHIND[name][0]}")
            notes.append(f"{why}; a newer one stands in")
            continue
        if swapped != line:
            notes.append(f"{swapped} stands for {line}: the same code, which can't be compiled here")
        lines.append(swapped)
    return replace(wishes, lines=tuple(dict.fromkeys(lines)), notes=(*wishes.notes, *notes))


def _swap(line: str, name: str) -> str:
    if name in WHEELS and " @ " not in line:
        return re.sub(r"^\s*[A-Za-z0-9._-]+", WHEELS[name], line)
    if name == "psycopg":
        return re.sub(r"\[([^\]]*)\]", lambda m: "[" + re.sub(r"\bc\b", "binary", m[1]) + "]", line, count=1)
    return line
