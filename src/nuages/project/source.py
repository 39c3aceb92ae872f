"""What one settings module says, read from its syntax tree."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from nuages.project.tree import Tree, parent


KNOWN = {"INSTALLED_APPS", "ROOT_URLCONF", "MIDDLEWARE", "MIDDLEWARE_CLASSES", "DATABASES", "DEBUG", "SECRET_KEY", "TEMPLATES", "ALLOWED_HOSTS", "STATIC_URL", "WSGI_APPLICATION"}  # fmt: skip
LIBRARIES = {
    "environ": "django-environ",
    "decouple": "python-decouple",
    "environs": "environs",
    "dotenv": "python-dotenv",
    "dynaconf": "dynaconf",
    "configurations": "django-configurations",
    "pydantic_settings": "pydantic-settings",
    "split_settings": "django-split-settings",
    "dj_database_url": "dj-database-url",
    "configparser": "configparser",
}
VARIABLE = re.compile(r"[A-Z][A-Z0-9_]{2,}")


@dataclass(frozen=True)
class Source:
    """`names` are assigned at any level; `imports` are the modules that are star-imported (relative ones with
    their dots) and the files that are included; `classes` are those of django-configurations."""

    path: str
    names: frozenset[str]
    imports: tuple[str, ...]
    classes: tuple[str, ...]
    libraries: tuple[str, ...]
    debug: bool | None  # the literal, None when it is computed or not set
    by_host: bool
    secret_names: tuple[str, ...]
    strings: dict[str, str]  # settings that are plain strings

    @property
    def whole(self) -> bool:
        """Does it look like settings on its own?"""
        return len(self.names & KNOWN) >= 3 and bool(self.names & {"INSTALLED_APPS", "ROOT_URLCONF"})  # noqa: PLR2004


def read_source(tree: Tree, path: str) -> Source:
    syntax = tree.syntax(path)
    assigned = dict(assignments(syntax))
    libraries = tuple(sorted({LIBRARIES[name] for name in imported_roots(syntax) if name in LIBRARIES}))
    return Source(
        path=path,
        names=frozenset(assigned),
        imports=tuple(dict.fromkeys([*star_imports(syntax), *inclusions(syntax)])),
        classes=configuration_classes(syntax) if "django-configurations" in libraries else (),
        libraries=libraries,
        debug=literal_bool(assigned.get("DEBUG")),
        by_host=chooses_by_host(syntax),
        secret_names=names_feeding_secret_key(syntax),
        strings={k: v.value for k, v in assigned.items() if isinstance(v, ast.Constant) and isinstance(v.value, str)},
    )


def assignments(syntax: ast.Module) -> Iterator[tuple[str, ast.expr | None]]:
    """Upper-case names that are assigned outside functions, with their last value."""
    for node in outside_functions(syntax):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                names = target.elts if isinstance(target, ast.Tuple | ast.List) else [target]
                yield from ((n.id, node.value) for n in names if isinstance(n, ast.Name) and n.id.isupper())
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id.isupper():
            yield node.target.id, node.value
        elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name) and node.target.id.isupper():
            yield node.target.id, None


def outside_functions(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        yield child
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from outside_functions(child)


def imported_roots(syntax: ast.Module) -> set[str]:
    roots: set[str] = set()
    for node in ast.walk(syntax):
        if isinstance(node, ast.Import):
            roots.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            roots.add(node.module.split(".")[0])
    return roots


def star_imports(syntax: ast.Module) -> Iterator[str]:
    for node in outside_functions(syntax):
        if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names):
            yield "." * node.level + (node.module or "")


def inclusions(syntax: ast.Module) -> Iterator[str]:
    """`include("components/base.py", optional("local.py"))` of django-split-settings, and `exec(open("x.py").read())`."""
    for node in ast.walk(syntax):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("include", "exec", "execfile"):
            yield from (
                c.value
                for c in ast.walk(node)
                if isinstance(c, ast.Constant) and isinstance(c.value, str) and c.value.endswith(".py")
            )


HOST_NAME = ("gethostname", "node", "getfqdn", "uname")


def chooses_by_host(syntax: ast.Module) -> bool:
    """Is this machine's name compared, searched or looked up? Only then do settings depend on it."""
    calls = [n for n in ast.walk(syntax) if isinstance(n, ast.Assign) and asks_host(n.value)]
    held = {target.id for call in calls for target in call.targets if isinstance(target, ast.Name)}
    tests = [n.test for n in ast.walk(syntax) if isinstance(n, ast.If | ast.IfExp)]
    return any(asks_host(test) or any(isinstance(n, ast.Name) and n.id in held for n in ast.walk(test)) for test in tests)


def asks_host(node: ast.expr) -> bool:
    called = (c.func for c in ast.walk(node) if isinstance(c, ast.Call))
    return any(
        isinstance(f, ast.Attribute | ast.Name) and (f.attr if isinstance(f, ast.Attribute) else f.id) in HOST_NAME
        for f in called
    )


def configuration_classes(syntax: ast.Module) -> tuple[str, ...]:
    return tuple(node.name for node in syntax.body if isinstance(node, ast.ClassDef))


def literal_bool(node: ast.expr | None) -> bool | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, bool | int):
        return bool(node.value)
    return None


def names_feeding_secret_key(syntax: ast.Module) -> tuple[str, ...]:
    """Variables that the value of SECRET_KEY is read from: we generate the key, so nobody is asked for them."""
    found: list[str] = []
    for name, value in assignments(syntax):
        if name != "SECRET_KEY" or value is None:
            continue
        strings = [c.value for c in ast.walk(value) if isinstance(c, ast.Constant) and isinstance(c.value, str)]
        found += [s for s in strings if VARIABLE.fullmatch(s)]
        if is_value_of_configurations(value):
            found.append("DJANGO_SECRET_KEY")
    return tuple(dict.fromkeys(found))


def is_value_of_configurations(node: ast.expr) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("SecretValue", "Value")
        and not node.args
    )


def resolve(tree: Tree, source: Source, imported: str, bases: list[str]) -> str:
    """The file of a star-import or inclusion, "" when it isn't in the repository."""
    if imported.endswith(".py"):
        folder = parent(source.path)
        path = f"{folder}/{imported}" if folder else imported
        return path if tree.has(path) else ""
    level = len(imported) - len(imported.lstrip("."))
    if not level:
        return tree.module_file(imported, bases)
    folder = source.path
    for _ in range(level):
        folder = parent(folder)
    rest = imported.lstrip(".")
    return tree.module_file(rest, [folder]) if rest else (f"{folder}/__init__.py" if tree.has(f"{folder}/__init__.py") else "")


def chain(tree: Tree, path: str, bases: list[str]) -> list[Source]:
    """A settings module and everything that it pulls in, itself first."""
    found: dict[str, Source] = {}
    waiting = [path]
    while waiting:
        current = waiting.pop(0)
        if current in found or not current:
            continue
        found[current] = source = read_source(tree, current)
        waiting += [resolve(tree, source, imported, bases) for imported in source.imports]
    return list(found.values())
