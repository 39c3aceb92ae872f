"""Everything that is missing, in one message that says how to give each."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nuages.errors import MissingError
from nuages.project.model import Files, Missing, Probe
from nuages.project.placeholders import example


@dataclass(frozen=True)
class Wanted:
    """What a round of the probe found missing: `where` is the project's line, `what` the error's words."""

    kind: str
    name: str
    where: str
    what: str


def missing_error(
    wanted: Iterable[Wanted],
    files: Files,
    config: Mapping[str, Any],
    blocked: Mapping[str, Any] | None = None,
) -> MissingError:
    missing = tuple(to_missing(one, files) for one in wanted)
    lines = [line(one) for one in missing]
    if blocked and blocked["kind"] not in ("missing_module", "missing_file", "missing_library"):
        lines.append(f"then it still fails: {blocked['what']} ({blocked['where']})")
    counted = ", ".join(f"{n} {kind if n == 1 else PLURAL[kind]}" for kind, n in count(missing).items())
    error = MissingError(
        f"the project needs {counted} that it was not given",
        where=files.settings,
        detail="\n".join(lines),
        hint=hint(missing),
    )
    error.missing = missing
    return error


PLURAL = {
    "variable": "variables",
    "file": "files",
    "module": "modules",
    "service": "services",
    "package": "packages",
    "command": "commands",
}


def count(missing: Iterable[Missing]) -> dict[str, int]:
    found: dict[str, int] = {}
    for one in missing:
        found[one.kind] = found.get(one.kind, 0) + 1
    return found


def to_missing(wanted: Wanted, files: Files) -> Missing:
    give, shown = GIVE[wanted.kind](wanted, files)
    return Missing(wanted.kind, wanted.name, wanted.where, shown, give)


def give_variable(wanted: Wanted, files: Files) -> tuple[str, str]:
    for path in local_env_files(files):
        values = read_env(files.root / path)
        if not wanted.name.startswith("NUAGES_") and values.get(wanted.name) and not is_template(path):
            return f"nuages config import {shlex.quote(path)}", f"in {path}"
    shown = example(wanted.name)
    return f"nuages config set {wanted.name}={quoted(shown)}", shown


def quoted(value: str) -> str:
    return value if value.startswith('"$(') or re.fullmatch(r"[\w@%+=:,./-]+", value) else f"'{value}'"


def give_file(wanted: Wanted, files: Files) -> tuple[str, str]:
    return f"nuages config set --file {shlex.quote(wanted.name)}=@{shlex.quote(Path(wanted.name).name)}", ""


# Import names whose distribution on PyPI is called otherwise.
DISTRIBUTIONS = {
    "MySQLdb": "mysqlclient", "PIL": "pillow", "allauth": "django-allauth", "bs4": "beautifulsoup4", "celery_beat": "django-celery-beat",
    "channels_redis": "channels-redis", "configurations": "django-configurations", "corsheaders": "django-cors-headers",
    "crispy_forms": "django-crispy-forms", "dateutil": "python-dateutil", "debug_toolbar": "django-debug-toolbar", "decouple": "python-decouple",
    "dj_database_url": "dj-database-url", "django_extensions": "django-extensions", "django_filters": "django-filter", "dotenv": "python-dotenv",
    "environ": "django-environ", "import_export": "django-import-export", "jwt": "pyjwt", "magic": "python-magic", "psycopg2": "psycopg2-binary",
    "rest_framework": "djangorestframework", "rest_framework_simplejwt": "djangorestframework-simplejwt", "simple_history": "django-simple-history",
    "storages": "django-storages", "taggit": "django-taggit", "yaml": "pyyaml",
}  # fmt: skip


def give_module(wanted: Wanted, files: Files) -> tuple[str, str]:
    top = wanted.name.split(".")[0]
    own = (files.manage_dir / top).is_dir() or (files.root / top).is_dir()
    if own:
        folder = files.manage_dir if (files.manage_dir / top).is_dir() else files.root
        path = (folder.relative_to(files.root) / (wanted.name.replace(".", "/") + ".py")).as_posix()
        return (
            f"nuages config set --file {path}=@{Path(path).name}",
            "a module of the project that is not in its repository",
        )
    place = files.requirements.files[0] if files.requirements.files else "the requirements"
    return (
        f'add the package that brings {top} to {place}, or in nuages.toml, under [project]: packages = ["{DISTRIBUTIONS.get(top, top)}"]',
        "",
    )


def give_package(wanted: Wanted, files: Files) -> tuple[str, str]:
    return f"install the system library {wanted.name} (apt-file search {wanted.name})", ""


GIVE = {"variable": give_variable, "file": give_file, "module": give_module, "package": give_package}


def line(one: Missing) -> str:
    needed = f"  (needed by {one.needed_by})" if one.needed_by else ""
    return f"{one.kind} {one.name}{needed}\n    {one.give}"


def hint(missing: tuple[Missing, ...]) -> str:
    imports = {one.give for one in missing if one.give.startswith("nuages config import")}
    if imports:
        return f"{min(imports)} gives {sum(one.give in imports for one in missing)} of them"
    return "give them, and run the same command again"


def local_env_files(files: Files) -> list[str]:
    """Env files on this disk: those of the listing, and the ignored ones beside them."""
    here = [name for name in (".env", ".env.production", ".env.prod", ".env.local", "env") if (files.root / name).is_file()]
    return list(dict.fromkeys([*here, *files.env_files]))


def is_template(path: str) -> bool:
    return bool(re.search(r"example|sample|template|dist$|\.(test|ci)$", path))


def read_env(path: Path) -> dict[str, str]:
    from dotenv import dotenv_values

    try:
        return {k: v or "" for k, v in dotenv_values(path, interpolate=False).items()}
    except (OSError, ValueError):
        return {}


def offered(files: Files, probe: Probe) -> tuple[Missing, ...]:
    """What the project would like and starts without: told, never asked for."""
    found = []
    for one in probe.facts.get("localhost_urls") or ():
        name = one["setting"]
        read = {entry["name"] for entry in probe.environ}
        give = (
            f"nuages config set {name}=https://www.shop.example"
            if name in read
            else f'[settings] {name} = "https://..." in nuages.toml'
        )
        found.append(Missing("setting", name, "links in pages and mail", str(one["value"]), give))
    return tuple(found)
