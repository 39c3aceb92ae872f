"""Packages that have to be compiled, on a machine that has no compiler: the same code as a wheel, or nothing."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import replace

from nuages.environments.wishes import Wishes, requirement_name


Which = Callable[[str], str | None]
# Same version, same modules, with libpq inside.
WHEELS = {"psycopg2": "psycopg2-binary", "psycopg-c": "psycopg-binary"}
# Imported only inside its own processes, and our stack serves the site.
SERVERS = ("uwsgi", "mod-wsgi")


def fit_to_machine(wishes: Wishes, which: Which = shutil.which) -> Wishes:
    """Nothing changes where there is a compiler (and, for PostgreSQL's drivers, pg_config)."""
    compiler = any(which(name) for name in ("cc", "gcc", "clang"))
    if compiler and which("pg_config"):
        return wishes
    lines, notes = [], []
    for line in wishes.lines:
        name = requirement_name(line)
        if not compiler and name in SERVERS:
            notes.append(
                f"{name} is left out: it has no wheel, there is no compiler, and the site is served without it"
            )
            continue
        swapped = _swap(line, name)
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
