"""uv.lock: only uv turns it into requirements (markers, extras, forks); here is read what to ask it for."""

from __future__ import annotations

from pathlib import Path

from nuages.environments.forms.dependency_group import production_groups
from nuages.environments.forms.pyproject import chosen_extras
from nuages.environments.forms.toml_files import read_toml, relative, table, tables
from nuages.environments.wishes import Wishes, is_public
from nuages.secret import Secret


KIND = "uv.lock"
NAMES = ("uv.lock",)


def find(root: Path, folder: str, extras: tuple[str, ...]) -> Wishes | None:
    here = root / folder
    if not (here / "uv.lock").is_file() or not (here / "pyproject.toml").is_file():
        return None
    manifest = read_toml(here / "pyproject.toml")
    lock = read_toml(here / "uv.lock")
    chosen, extra_notes = chosen_extras(manifest, extras)
    groups, group_notes = production_groups(manifest)
    arguments = (*(a for e in chosen for a in ("--extra", e)), *(a for g in groups for a in ("--group", g)))
    return Wishes(
        export=folder or ".",
        export_arguments=arguments,
        locked=True,
        indexes=_indexes(lock),
        files=(relative(folder, "uv.lock"), relative(folder, "pyproject.toml")),
        group=", ".join(groups),
        extras=chosen,
        notes=(*extra_notes, *group_notes),
        fetched=_fetched(lock),
    )


def _indexes(lock: dict[str, object]) -> tuple[Secret, ...]:
    sources = {str(table(package, "source").get("registry", "")) for package in tables(lock.get("package"))}
    return tuple(Secret(url) for url in sorted(sources) if url.startswith("http") and not is_public(url))


def _fetched(lock: dict[str, object]) -> tuple[str, ...]:
    packages = tables(lock.get("package"))
    return tuple(
        f"{p.get('name')} @ git+{table(p, 'source')['git']}" for p in packages if "git" in table(p, "source")
    )
