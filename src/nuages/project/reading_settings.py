"""Which settings module is meant for production."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from nuages.errors import ProjectError
from nuages.project.model import Choice
from nuages.project.source import Source, chain
from nuages.project.tree import Tree, is_aside, module_name, parent


PRODUCTION = {"production", "prod", "prd", "deploy", "deployment", "live"}
HOSTING = {"heroku", "docker", "server", "container", "kubernetes", "k8s", "aws", "azure", "gcp", "cloud", "render", "fly", "railway", "dokku", "hosted", "pythonanywhere", "divio", "vps", "selfhosted", "remote", "platformsh", "openshift", "release"}  # fmt: skip
STAGING = {"staging", "stage", "qa", "uat", "preprod", "preview"}
DEVELOPMENT = {"dev", "devel", "develop", "development", "local", "localhost", "debug", "demo", "example", "sandbox", "template", "sample", "compose", "vagrant", "gitpod", "codespaces", "playground"}  # fmt: skip
TEST = {
    "test",
    "tests",
    "testing",
    "ci",
    "travis",
    "jenkins",
    "tox",
    "pytest",
    "circleci",
    "github",
    "e2e",
    "cypress",
    "benchmark",
    "docs",
    "build",
    "lint",
    "mypy",
}
BASE = {"base", "common", "defaults", "default", "core", "shared", "global", "main", "basic", "generic"}

NAMED = re.compile(
    r"""DJANGO_SETTINGS_MODULE["']?\]?\s*(?:[,=:]|\s)\s*(?:\{\s*"value"\s*:\s*)?["']?([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)"""
    r"""|--settings[= ]["']?([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)"""
)
# What starts the site in production says more than what starts it on a developer's desk.
DEPLOYS = re.compile(r"(^|/)(Procfile[^/]*|Dockerfile[^/]*|[^/]*\.dockerfile|uwsgi[^/]*\.ini|app\.json|fly\.toml|render\.yaml|railway\.(json|toml)|nixpacks\.toml|app\.ya?ml|[^/]*\.service|supervisord?[^/]*\.conf|(docker-)?(entrypoint|start|run|boot(strap)?|gunicorn)[^/]*\.(sh|py|conf)|(docker-)?compose[^/]*\.ya?ml|entrypoint|start|\.ebextensions/[^/]*)$", re.IGNORECASE)  # fmt: skip
DESKS = re.compile(r"(^|/)(\.env[^/]*|[^/]*\.env|Makefile|justfile|Pipfile|pyproject\.toml|\.envrc)$")


@dataclass(frozen=True)
class Candidate:
    module: str
    path: str
    sources: tuple[Source, ...]
    named_by: tuple[str, ...]
    score: int
    why: str


@dataclass(frozen=True)
class SettingsChoice:
    module: str
    path: str
    candidates: tuple[str, ...]
    choices: tuple[Choice, ...]
    sources: tuple[Source, ...]
    absent: tuple[str, ...] = ()  # named somewhere, not in the repository
    selectors: dict[str, str] = field(default_factory=dict)


def choose_settings(tree: Tree, manage: str, declared: str) -> SettingsChoice:
    bases = search_path(tree, manage)
    named = settings_named(tree, manage)
    known = {module: path for module in named if (path := tree.module_file(module, bases))}
    absent = tuple(module for module in named if module not in known)
    if declared:
        return declared_settings(tree, declared, bases, known)
    for path in neighbours(tree, manage, list(known.values())):
        module = module_name(path, base_of(path, bases))
        if importable(module) and "." not in path.removesuffix(".py").rpartition("/")[2]:
            known.setdefault(module, path)
    ranked = sorted(
        (rank(tree, m, p, named.get(m, []), bases) for m, p in known.items()),
        key=lambda c: (-c.score, len(c.module), c.module),
    )
    usable = [c for c in ranked if c.score > 0]
    if not usable:
        raise ProjectError(
            "no settings module found" if not absent else f"the settings module {absent[0]} is not in the project",
            where=named[absent[0]][0] if absent else manage,
            hint='write settings = "package.module" in nuages.toml',
        )
    return chosen(usable, absent, named)


def chosen(usable: list[Candidate], absent: tuple[str, ...], named: dict[str, list[str]]) -> SettingsChoice:
    best = usable[0]
    choices = []
    if len(usable) > 1 or absent:
        gone = f"; {absent[0]}, named by {named[absent[0]][0]}, is not in the repository" if absent else ""
        others = tuple(c.module for c in usable[1:])
        choices.append(Choice("settings", best.module, best.why + gone, others, 'settings = "..." in nuages.toml'))
    return SettingsChoice(best.module, best.path, tuple(c.module for c in usable), tuple(choices), best.sources, absent)


def declared_settings(tree: Tree, declared: str, bases: list[str], known: dict[str, str]) -> SettingsChoice:
    path = tree.module_file(declared, bases)
    sources = tuple(chain(tree, path, bases)) if path else ()
    return SettingsChoice(declared, path, (declared, *(m for m in known if m != declared)), (), sources)


def search_path(tree: Tree, manage: str) -> list[str]:
    """Folders that modules are imported from: that of manage.py, the root, and a src/ beside them."""
    found = [
        parent(manage),
        "",
        "src",
        f"{parent(manage)}/src".lstrip("/"),
        f"{parent(manage)}/apps".lstrip("/"),
    ]
    return [folder for folder in dict.fromkeys(found) if not folder or folder in tree.folders]


def importable(module: str) -> bool:
    """`production.example.py` and `clever-cloud.py` are there to be copied."""
    return all(part.isidentifier() for part in module.split("."))


def base_of(path: str, bases: list[str]) -> str:
    """The longest search folder that holds the path and is not itself a package."""
    return max((b for b in bases if not b or path.startswith(f"{b}/")), key=len, default="")


def settings_named(tree: Tree, manage: str) -> dict[str, list[str]]:
    """Every module that some file calls the settings module -> the files that do, those that deploy first."""
    found: dict[str, list[str]] = {}
    for path in sorted(naming_files(tree, manage), key=lambda p: (not DEPLOYS.search(p), p.count("/"), p)):
        text = tree.text(path)
        if "DJANGO_SETTINGS_MODULE" not in text and "--settings" not in text:
            continue
        for match in NAMED.finditer(text):
            module = match.group(1) or match.group(2)
            if "." in module or tree.module_file(module, search_path(tree, manage)):
                found.setdefault(module, []).append(path)
    return {module: list(dict.fromkeys(paths)) for module, paths in found.items()}


def naming_files(tree: Tree, manage: str) -> Iterator[str]:
    entry = ("wsgi.py", "asgi.py", "celery.py", "celery_app.py", "celeryapp.py")
    for path in tree.paths:
        name = path.rpartition("/")[2]
        mine = path == manage or ((name in entry or (name.endswith(".py") and "wsgi" in name)) and not is_aside(path))
        if mine or ((DEPLOYS.search(path) or DESKS.search(path)) and not is_aside(path)):
            yield path


def neighbours(tree: Tree, manage: str, known: Iterable[str]) -> Iterator[str]:
    """Modules beside those that are named; where none is named, whatever looks like settings."""
    folders = {parent(path) for path in known}
    for path in tree.python():
        if is_aside(path) and parent(path) not in folders:
            continue
        name = path.rpartition("/")[2]
        beside = parent(path) in folders and is_settings_folder(parent(path))
        if beside or "settings" in name or is_settings_folder(parent(path)) or is_conf(path):
            yield path


def is_conf(path: str) -> bool:
    return path.rpartition("/")[2] in ("conf.py", "config.py", "configuration.py")


def is_settings_folder(folder: str) -> bool:
    last = folder.rpartition("/")[2].lower()
    return "settings" in last or last in (
        "config",
        "conf",
        "configs",
        "django",
        "configuration",
        "environments",
    )


def rank(tree: Tree, module: str, path: str, named_by: list[str], bases: list[str]) -> Candidate:
    sources = tuple(chain(tree, path, bases))
    own = sources[0]
    score, why = by_name(module)
    broken = bool(named_by) and not tree.parses(path)  # the probe will tell what is wrong with it
    if not complete(own, sources) and not broken:
        return Candidate(module, path, sources, tuple(named_by), 0, "")
    if own.debug is False and score > STAGING_SCORE:
        score, why = score + 12, f"{why}; DEBUG is False in it"
    pulled = {role(module_name(s.path, "")) for s in sources[1:]}
    if score > STAGING_SCORE and pulled & {"development", "test"} and "production" not in pulled:
        score, why = score - 60, f"{why}; it builds on development settings"
    if named_by:
        deploys = [p for p in named_by if DEPLOYS.search(p)]
        score += 30 if deploys else 12
        why = f"{why}; named by {(deploys or named_by)[0]}"
    return Candidate(module, path, sources, tuple(named_by), max(score, 1), why)


STAGING_SCORE = 20
SCORES = {
    "production": (120, "its name says production"),
    "hosting": (60, "its name is that of a place where sites run"),
    "neutral": (70, "the project's settings"),
    "base": (40, "the base settings"),
    "staging": (STAGING_SCORE, "staging settings"),
    "development": (10, "only development settings are there"),
    "test": (2, "only test settings are there"),
}


def by_name(module: str) -> tuple[int, str]:
    return SCORES[role(module)]


def role(module: str) -> str:
    """What a module's name says that it is for: by its last part, else by the folder (`settings.live.web`)."""
    parts = module.removesuffix(".__init__").split(".")
    for part in (parts[-1], *(p for p in parts[-2:-1] if p not in ("settings", "config"))):
        words = set(re.split(r"[_\W]+", part.lower()))
        for name, vocabulary in (
            ("test", TEST),
            ("development", DEVELOPMENT),
            ("staging", STAGING),
            ("production", PRODUCTION),
            ("hosting", HOSTING),
        ):
            if words & vocabulary:
                return name
        if part == parts[-1] and words & BASE:
            return "base"
    return "neutral"


def complete(own: Source, sources: tuple[Source, ...]) -> bool:
    """Would Django start with it? An overlay such as local_settings.py, which builds on nothing, would not."""
    if "dynaconf" in own.libraries or "django-split-settings" in own.libraries:
        return bool(own.names) or len(sources) > 1
    names = frozenset().union(*(s.names for s in sources))
    if own.classes and "django-configurations" in own.libraries:
        return True
    return "INSTALLED_APPS" in names or ("ROOT_URLCONF" in names and bool(own.names))
