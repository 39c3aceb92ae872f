"""Substitution before the settings run: what half of all projects derive other settings from.

DEBUG decides which apps, middleware, loaders and redirects a project declares, so it must be False while its
settings execute, not after. SECRET_KEY written as a literal is copied into other settings (JWT signing keys).
"""

from __future__ import annotations

import ast
import re


MENTIONED = re.compile(
    rb"^[ \t]*(?:[A-Za-z_]\w*\s*=\s*)*(?:TEMPLATE_)?(?:DEBUG|SECRET_KEY)\s*(?::[^=\n]+)?=(?!=)|import[^\n]*\bDEBUG\b",
    re.MULTILINE,
)
DEBUG_NAMES = ("DEBUG", "TEMPLATE_DEBUG")


def worth_reading(source):
    """Most modules assign neither; they keep their compiled .pyc."""
    return bool(MENTIONED.search(source))


def substituted(source, filename, secret_key, in_settings, debug=True):
    """Compiled code of `source` (bytes), with the same line numbers, and what was replaced: (name, line) pairs.

    `in_settings` is true for the settings module and its package: there class bodies count too
    (django-configurations and other class-based settings).
    """
    tree = ast.parse(source, filename)
    rewriter = _Rewriter(secret_key, in_settings, debug)
    tree.body = rewriter.block(tree.body)
    ast.fix_missing_locations(tree)
    return compile(tree, filename, "exec", dont_inherit=True), rewriter.replaced


class _Rewriter:
    def __init__(self, secret_key, in_settings, debug):
        self.secret_key = secret_key
        self.in_settings = in_settings
        self.debug = debug
        self.replaced = []

    def block(self, statements):
        return [new for statement in statements for new in self.statement(statement)]

    def statement(self, node):
        if isinstance(node, (ast.Assign, ast.AnnAssign)):
            return self.assignment(node)
        if isinstance(node, ast.ImportFrom):
            return [node] + [self.false(a.asname or a.name, node) for a in node.names if self.is_debug(a.asname or a.name)]
        if isinstance(node, ast.ClassDef) and not (self.in_settings and not _is_enum(node)):
            return [node]
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            return [node]
        for field in ("body", "orelse", "finalbody"):
            if isinstance(getattr(node, field, None), list):
                setattr(node, field, self.block(getattr(node, field)))
        for part in list(getattr(node, "handlers", [])) + list(getattr(node, "cases", [])):
            part.body = self.block(part.body)
        return [node]

    def assignment(self, node):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        names = [
            name.id
            for target in targets
            for name in ast.walk(target)
            if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)
        ]
        debug = [name for name in names if self.is_debug(name)]
        if debug and node.value is not None and not _other_constant(node.value):
            if len(names) == 1:
                node.value = _constant(False, node.value)
                self.replaced.append((names[0], node.lineno))
                return [node]
            return [node] + [self.false(name, node) for name in debug]
        if names == ["SECRET_KEY"] and self.secret_key and _is_text(node.value):
            node.value = _constant(self.secret_key, node.value)
            self.replaced.append(("SECRET_KEY", node.lineno))
        return [node]

    def is_debug(self, name):
        return self.debug and name in DEBUG_NAMES

    def false(self, name, node):
        self.replaced.append((name, node.lineno))
        target = ast.copy_location(ast.Name(id=name, ctx=ast.Store()), node)
        return ast.copy_location(ast.Assign(targets=[target], value=_constant(False, node), lineno=node.lineno), node)


def _constant(value, node):
    return ast.copy_location(ast.Constant(value=value, kind=None), node)


def _is_text(node):
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and bool(node.value)


def _other_constant(node):
    """`DEBUG = 10` is a log level and `DEBUG = "debug"` a name, not the switch."""
    return isinstance(node, ast.Constant) and not (isinstance(node.value, bool) or node.value in (0, 1, None))


def _is_enum(node):
    return any("Enum" in ast.dump(base) or "Flag" in ast.dump(base) for base in node.bases)
