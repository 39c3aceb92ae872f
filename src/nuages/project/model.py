"""The Django project as it is: what reading its files found, and what the probe saw when it really ran."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nuages.environments.model import Environment, PythonHint, Requirements


@dataclass(frozen=True)
class Choice:
    """Something that was chosen among several, and how to choose otherwise."""

    what: str
    chosen: str
    why: str
    others: tuple[str, ...] = ()
    override: str = ""  # 'settings = "..." in nuages.toml'


@dataclass(frozen=True)
class Missing:
    """Something the project needs and nobody has given. `kind`: variable, file, module, service, package, command."""

    kind: str
    name: str
    needed_by: str = ""
    example: str = ""
    give: str = ""  # the command or action that gives it


@dataclass(frozen=True)
class Process:
    """A long-running or one-off process. `kind`: web, worker, scheduler, release."""

    name: str
    kind: str
    command: str  # as the user (or our detection) writes it, a shell line
    source: str  # "Procfile", "nuages.toml", "detected: celery in INSTALLED_APPS ..."
    note: str = ""
    own_server: bool = False  # a web command that no server of ours stands in for


@dataclass(frozen=True)
class Files:
    """What reading the project's files found. Paths are relative to `root`; nothing was imported or run."""

    root: Path
    manage: str  # "manage.py", "src/manage.py"
    settings: str  # the module chosen for production
    settings_candidates: tuple[str, ...]
    wsgi: str  # "shop.wsgi:application" or ""
    asgi: str
    requirements: Requirements
    python_hints: tuple[PythonHint, ...]
    processes: tuple[Process, ...]  # from Procfile and nuages.toml
    choices: tuple[Choice, ...] = ()
    env_files: tuple[str, ...] = ()  # .env, .env.example ...
    frontend: Mapping[str, Any] = field(default_factory=dict)  # {"dir","tool","script","lock","output","needed"}
    system_packages: Mapping[str, str] = field(default_factory=dict)  # python package -> apt names
    submodules: bool = False
    lfs: bool = False
    translations: tuple[str, ...] = ()  # .po files with no .mo beside them
    bootstrap: tuple[tuple[str, str], ...] = ()  # (command, why): proposed once, never run unasked
    writable: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ()  # what its settings are read with: django-environ, dynaconf ...
    secret_names: tuple[str, ...] = ()  # variables that SECRET_KEY is read from
    selectors: Mapping[str, str] = field(default_factory=dict)  # variables that choose production: DJANGO_CONFIGURATION ...
    problems: tuple[str, ...] = ()  # lines of a Procfile that can't be read

    @property
    def manage_dir(self) -> Path:
        return (self.root / self.manage).parent


@dataclass(frozen=True)
class Probe:
    """What the probe saw: `django.setup()` with the production settings laid over, in a copy. See runtime/probe.py
    for the shape of each part."""

    django: str
    python: str
    settings_module: str
    changes: tuple[Mapping[str, Any], ...]  # setting, old, new, reason
    readback: tuple[Mapping[str, Any], ...]  # setting, expected, actual: only those that differ
    facts: Mapping[str, Any]  # apps, databases, caches, static, media, templates, tasks, channels, urls ...
    environ: tuple[Mapping[str, Any], ...]  # variables read: name, default, found
    files_written: tuple[str, ...] = ()
    checks: tuple[Mapping[str, Any], ...] = ()  # django's own system checks with --deploy
    audit: tuple[Mapping[str, Any], ...] = ()  # findings of runtime/audit.py


@dataclass(frozen=True)
class Project:
    """The whole finding."""

    files: Files
    environment: Environment
    probe: Probe
    processes: tuple[Process, ...]  # final: Procfile, nuages.toml and detection together
    interface: str  # wsgi or asgi
    missing: tuple[Missing, ...] = ()
    notes: tuple[str, ...] = ()
