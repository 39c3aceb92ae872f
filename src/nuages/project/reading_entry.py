"""The WSGI and ASGI callables, and manage.py."""

from __future__ import annotations

import ast
import re

from nuages.errors import ProjectError
from nuages.project.model import Choice
from nuages.project.source import Source
from nuages.project.tree import Tree, is_aside, module_name


FACTORIES = {
    "wsgi": {"get_wsgi_application", "WSGIHandler"},
    "asgi": {"get_asgi_application", "ProtocolTypeRouter", "get_default_application", "ASGIHandler"},
}
SETTING = {"wsgi": "WSGI_APPLICATION", "asgi": "ASGI_APPLICATION"}


def find_manage(tree: Tree, declared: str) -> tuple[str, tuple[Choice, ...]]:
    if declared:
        if not tree.has(declared):
            raise ProjectError(f"there is no {declared}", where="manage in nuages.toml")
        return declared, ()
    found = [p for p in tree.named("manage.py") if is_manage(tree, p)]
    found = found or [p for p in tree.python() if p.count("/") <= 2 and is_manage(tree, p)]  # noqa: PLR2004
    if not found:
        raise ProjectError(
            "no Django project here: no manage.py found",
            where=str(tree.root),
            hint='go to its folder, or write manage = "path/to/manage.py" in nuages.toml',
        )
    found.sort(key=lambda p: (is_aside(p), p.count("/"), not names_settings(tree, p), p))
    if len(found) == 1:
        return found[0], ()
    why = "the shallowest one outside tests and examples"
    return found[0], (Choice("manage.py", found[0], why, tuple(found[1:]), 'manage = "..." in nuages.toml'),)


def is_manage(tree: Tree, path: str) -> bool:
    text = tree.text(path)
    return (
        "execute_from_command_line" in text
        or (path.endswith("manage.py") and "django" in text.lower())
        or "execute_manager" in text
    )


def names_settings(tree: Tree, path: str) -> bool:
    return "DJANGO_SETTINGS_MODULE" in tree.text(path)


def find_entry(
    kind: str,
    tree: Tree,
    bases: list[str],
    sources: tuple[Source, ...],
    *,
    declared: str,
    named: tuple[str, ...],
) -> tuple[str, tuple[Choice, ...]]:
    """`named` are entry points that the Procfile and its like start; they win over what is merely there."""
    if declared:
        return declared, ()
    setting = next((s.strings[SETTING[kind]] for s in sources if SETTING[kind] in s.strings), "")
    from_setting = [
        f"{module}:{name}" for module, _, name in [setting.rpartition(".")] if module and tree.module_file(module, bases)
    ]
    there = [entry for path in candidates(kind, tree) for entry in entries(kind, tree, path, bases)]
    known = [entry for entry in named if tree.module_file(entry.partition(":")[0], bases) and speaks(kind, entry, there)]
    ordered = list(dict.fromkeys([*known, *from_setting, *there]))
    if not ordered:
        return "", ()
    why = "the Procfile starts it" if known else f"{SETTING[kind]} names it" if from_setting else "the shallowest one"
    others = tuple(e for e in ordered[1:] if e.partition(":")[0] != ordered[0].partition(":")[0])
    return ordered[0], (
        Choice(f"{kind} entry point", ordered[0], why, others, f'{kind} = "..." in nuages.toml'),
    ) if others else ()


def speaks(kind: str, entry: str, there: list[str]) -> bool:
    """Does an entry point of a Procfile speak this protocol? By its code, else by its name."""
    other = "asgi" if kind == "wsgi" else "wsgi"
    return entry in there or (kind in entry.lower()) or (kind == "wsgi" and other not in entry.lower())


def candidates(kind: str, tree: Tree) -> list[str]:
    words = FACTORIES[kind]
    found = [p for p in tree.python() if not is_aside(p) and any(word in tree.text(p) for word in words)]
    return sorted(found, key=lambda p: (not p.endswith(f"{kind}.py"), p.count("/"), p))


def entries(kind: str, tree: Tree, path: str, bases: list[str]) -> list[str]:
    """`module:name` for each module-level name that holds the callable; `application` first."""
    syntax = tree.syntax(path)
    classes = {
        n.name for n in ast.walk(syntax) if isinstance(n, ast.ClassDef) and any(mentions(b, FACTORIES[kind]) for b in n.bases)
    }
    names = [name for node in syntax.body for name in assigned_to(node, FACTORIES[kind] | classes)]
    base = next((b for b in bases if b and path.startswith(f"{b}/")), "")
    module = module_name(path, base)
    names.sort(key=lambda name: name != "application")
    return [f"{module}:{name}" for name in dict.fromkeys(names)]


def assigned_to(node: ast.stmt, words: set[str]) -> list[str]:
    if isinstance(node, ast.If | ast.Try | ast.With):
        return [name for child in [*node.body, *getattr(node, "orelse", [])] for name in assigned_to(child, words)]
    if isinstance(node, ast.Assign) and calls(node.value, words):
        return [t.id for t in node.targets if isinstance(t, ast.Name)]
    return []


def calls(node: ast.expr, words: set[str]) -> bool:
    return any(mentions(call.func, words) for call in ast.walk(node) if isinstance(call, ast.Call))


def mentions(node: ast.expr, words: set[str]) -> bool:
    return (isinstance(node, ast.Name) and node.id in words) or (isinstance(node, ast.Attribute) and node.attr in words)


ENTRY = re.compile(r"(?<![\w./-])([A-Za-z_][\w]*(?:\.[A-Za-z_]\w*)*):([A-Za-z_]\w*)(?![\w/])")


def entry_in(command: str) -> str:
    """The `module:name` (or `package.wsgi`) that a server's command line names, "" when there is none."""
    found = ENTRY.search(command)
    if found:
        return f"{found.group(1)}:{found.group(2)}"
    bare = re.search(r"(?<![\w./-])([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*\.[aw]sgi(?:\.application)?)(?![\w/.])", command)
    module = bare.group(1).removesuffix(".application") if bare else ""
    return f"{module}:application" if module else ""
