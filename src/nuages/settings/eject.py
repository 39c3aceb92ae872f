"""`nuages settings eject`: the production settings as plain code in the project, which then no longer needs us."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nuages.errors import SettingsError
from nuages.project.model import Files, Probe


RUNTIME = Path(__file__).parents[1] / "runtime"
BACKEND = re.compile(r"nuages_runtime\.(\w+)\.")
PAGES = "error_pages"
OURS_ONLY = ("NUAGES",)


@dataclass(frozen=True)
class Ejected:
    """What to write, and what to do besides. `files` are paths relative to the project's root, the settings first."""

    module: str
    files: Mapping[str, str]
    notes: tuple[str, ...]

    def write(self, root: Path) -> None:
        """Write everything or nothing: an existing file is never overwritten."""
        for path in self.files:
            if (root / path).exists():
                raise SettingsError(
                    "this file is there already and is yours",
                    where=path,
                    hint="move it away, or write what it lacks by hand: nuages settings diff",
                )
        for path, text in self.files.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text, encoding="utf-8")


def eject(files: Files, probe: Probe) -> Ejected:
    """Raises SettingsError where the settings module is no file of the project."""
    base = probe.settings_module
    source = _file_of(files, base)
    package, module, path = _place(base, source)
    changes = [change for change in probe.changes if not change.get("note") and not str(change["setting"]).startswith(OURS_ONLY)]
    body, unwritten = _assignments(changes)
    used = sorted(set(BACKEND.findall(body)))
    copies = {name: f"production_{name}" for name in used}
    prefix = f"{package}." if package else ""
    body = BACKEND.sub(lambda match: f"{prefix}{copies[match[1]]}.", body)
    folder = path.parent
    written = {str(path): _head(base, body) + body}
    written |= {
        str(folder / f"{copy}.py"): (RUNTIME / f"{name}.py")
        .read_text(encoding="utf-8")
        .replace("Stands alone: `nuages settings eject` copies it into projects.", "")
        for name, copy in copies.items()
    }
    if "ERROR_PAGES" in body:
        written |= {
            str(folder / PAGES / page.name): page.read_text(encoding="utf-8")
            for page in sorted((RUNTIME / "pages").glob("*.html"))
        }
    return Ejected(module, written, _notes(module, body, changes, unwritten))


def _file_of(files: Files, module: str) -> Path:
    stem = (files.root / files.manage).parent / Path(*module.split("."))
    for candidate in (stem.with_suffix(".py"), stem / "__init__.py"):
        if candidate.is_file():
            return candidate.relative_to(files.root)
    raise SettingsError(
        "the settings module is not a file under manage.py's folder, so nothing can be written beside it",
        where=module,
    )


def _place(base: str, source: Path) -> tuple[str, str, Path]:
    """(package, new module, new file): in a package of settings `production`, beside a flat module `production_settings`."""
    if source.name == "__init__.py":
        return base, f"{base}.production", source.parent / "production.py"
    package, _, last = base.rpartition(".")
    split = "setting" in package.rpartition(".")[2] or "conf" in package.rpartition(".")[2]
    name = (
        "production_settings"
        if last == "settings" or not split
        else "production"
        if last != "production"
        else "production_hardened"
    )
    return package, f"{package}.{name}" if package else name, source.with_name(f"{name}.py")


def _assignments(changes: Iterable[Mapping[str, Any]]) -> tuple[str, list[str]]:
    lines: list[str] = []
    unwritten: list[str] = []
    for change in changes:
        if not change.get("code"):
            unwritten.append(str(change["setting"]))
            continue
        lines += ["", *_comment(str(change["reason"])), f"{change['setting']} = {change['code']}"]
    return "\n".join(lines) + "\n", unwritten


def _comment(reason: str) -> list[str]:
    return [f"# {_sentence(part.strip())}." for part in reason.split("; ") if part.strip()]


def _sentence(part: str) -> str:
    """File names and settings keep their first letter."""
    return part if "." in part.split(maxsplit=1)[0] else part[:1].upper() + part[1:]


def _head(base: str, body: str) -> str:
    imports = [
        line
        for line, used in (
            ("import os", "os.environ" in body),
            ("from pathlib import Path", "Path(" in body or "ERROR_PAGES" in body),
        )
        if used
    ]
    lines = [
        '"""Production settings: the project\'s own, and what differs in production with the reason."""',
        "",
        *imports,
        *([""] if imports else []),
    ]
    lines += [f"from {base} import *  # noqa: F403", ""]
    if "ERROR_PAGES" in body:
        lines += [f'ERROR_PAGES = str(Path(__file__).resolve().parent / "{PAGES}")']
    return "\n".join(lines)


def _notes(module: str, body: str, changes: Iterable[Mapping[str, Any]], unwritten: Iterable[str]) -> tuple[str, ...]:
    notes = [f"set DJANGO_SETTINGS_MODULE={module} (in manage.py, wsgi.py and asgi.py the default, or in the environment)"]
    names = sorted(set(re.findall(r'os\.environ\["(\w+)"\]', body)))
    if names:
        notes.append("give these in the environment: " + ", ".join(names))
    for package, sign in (
        ("redis", "SafeRedisCache"),
        ("pymemcache", "SafeMemcached"),
        ("whitenoise", "WhiteNoise"),
    ):
        if sign in body:
            notes.append(f"install {package}")
    early = [f"{change['setting']}" for change in changes if "before the settings ran" in str(change["reason"])]
    if early:
        notes.append(
            f"{' and '.join(early)} take effect after your settings have run: change the line itself where other settings are derived from it"
        )
    notes += [f"{name} holds something that can't be written as a literal; set it by hand" for name in unwritten]
    return tuple(notes)
