"""Settings that hold several variants in one module: which variable chooses the production one."""

from __future__ import annotations

import ast
import re

from nuages.project.model import Choice
from nuages.project.reading_settings import PRODUCTION, SettingsChoice, role
from nuages.project.tree import Tree


READERS = re.compile(r"environ|getenv|env\b|config\b|decouple")


def production_variant(tree: Tree, settings: SettingsChoice, manage: str) -> tuple[dict[str, str], tuple[Choice, ...]]:
    """Variables with the values that choose production: a configuration class, dynaconf's environment, a switch."""
    selectors: dict[str, str] = {}
    choices: list[Choice] = []
    own = settings.sources[0] if settings.sources else None
    if own and own.classes:
        name, why = choose_class(own.classes)
        selectors["DJANGO_CONFIGURATION"] = name
        others = tuple(c for c in own.classes if c != name)
        choices.append(Choice("configuration class", name, why, others, "nuages config set DJANGO_CONFIGURATION=..."))
    if any("dynaconf" in s.libraries for s in settings.sources):
        for name, value in dynaconf_switch(tree, settings).items():
            selectors[name] = value
            choices.append(Choice("dynaconf environment", value, f"{name} chooses it", (), f"nuages config set {name}=..."))
    for source in settings.sources:
        for name, value in switches(tree.syntax(source.path)).items():
            if name not in selectors:
                selectors[name] = value
                choices.append(
                    Choice(
                        "settings variant",
                        f"{name}={value}",
                        f"{source.path} compares {name} with {value!r}",
                        (),
                        f"nuages config set {name}=...",
                    )
                )
    hosts = [s.path for s in settings.sources if s.by_host]
    if hosts:
        choices.append(
            Choice(
                "settings by host name",
                settings.module,
                f"{hosts[0]} asks for this machine's name; look at `nuages settings show`",
                (),
                'settings = "..." in nuages.toml',
            )
        )
    return selectors, tuple(choices)


def choose_class(classes: tuple[str, ...]) -> tuple[str, str]:
    for wanted in ("production", "hosting", "neutral", "base", "staging", "development", "test"):
        for name in classes:
            if class_role(name) == wanted:
                return (
                    name,
                    "its name says production" if wanted == "production" else "no class is named for production",
                )
    return classes[0], "the first class"


def class_role(name: str) -> str:
    return role("_".join(re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+", name)) or name)


def dynaconf_switch(tree: Tree, settings: SettingsChoice) -> dict[str, str]:
    """dynaconf's default environment is development. Only files with sections (environments=True) look at it;
    `DjangoDynaconf` has them on by default."""
    text = "\n".join(tree.text(s.path) for s in settings.sources)
    found = re.search(r"(?:env_switcher|ENV_SWITCHER_FOR_DYNACONF)\s*=\s*['\"](\w+)['\"]", text)
    off = re.search(r"environments\s*=\s*False", text)
    sections = any(
        re.search(r"^\s*\[?production\]?\s*:?\s*$", tree.text(p), re.MULTILINE)
        for p in tree.named("settings.toml", "settings.yaml", "settings.yml", ".secrets.toml")
    )
    return {} if off or not sections else {found.group(1) if found else "ENV_FOR_DYNACONF": "production"}


def switches(syntax: ast.Module) -> dict[str, str]:
    """`if os.environ.get("ENVIRONMENT") == "production"`, directly or by a name that holds what was read."""
    held = {
        t.id: name
        for node in ast.walk(syntax)
        if isinstance(node, ast.Assign) and (name := variable_read(node.value))
        for t in node.targets
        if isinstance(t, ast.Name)
    }
    found: dict[str, str] = {}
    for node in ast.walk(syntax):
        if not isinstance(node, ast.Compare) or len(node.ops) != 1:
            continue
        name = variable_read(node.left) or (held.get(node.left.id, "") if isinstance(node.left, ast.Name) else "")
        for value in constants(node.comparators[0]):
            if name and name != "DJANGO_SETTINGS_MODULE" and value.lower() in PRODUCTION | {"heroku", "production"}:
                found.setdefault(name, value)
    return found


def variable_read(node: ast.expr) -> str:
    """The variable in `os.environ.get("X", ...)`, `os.environ["X"]`, `env("X")`, `config("X")`, also `.lower()` of it."""
    if isinstance(node, ast.Call):
        if isinstance(node.func, ast.Attribute) and node.func.attr in ("lower", "upper", "strip"):
            return variable_read(node.func.value)
        if READERS.search(ast.unparse(node.func)) and node.args and isinstance(node.args[0], ast.Constant):
            return str(node.args[0].value)
    if isinstance(node, ast.Subscript) and "environ" in ast.unparse(node.value) and isinstance(node.slice, ast.Constant):
        return str(node.slice.value)
    return ""


def constants(node: ast.expr) -> list[str]:
    elements = node.elts if isinstance(node, ast.Tuple | ast.List | ast.Set) else [node]
    return [e.value for e in elements if isinstance(e, ast.Constant) and isinstance(e.value, str)]
