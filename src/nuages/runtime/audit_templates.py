"""Every template of the project itself is compiled; what it extends, includes and takes from static is looked up."""

from __future__ import annotations

import os

from .audit_project import finding, listed, told


MOST = 5000
BIG = 1000000
TEXT = (
    ".html",
    ".htm",
    ".txt",
    ".xml",
    ".js",
    ".json",
    ".svg",
    ".css",
    ".email",
    ".mjml",
    ".md",
    ".djhtml",
    ".jinja",
    ".jinja2",
    ".j2",
)


def templates_compile(project):
    """errors.N003, errors.N004 and static.N001: one walk, since compiling is what takes the time."""
    from django.template import engines

    missing_static = {}
    for engine in engines.all():
        for path, name in own_templates(project, engine):
            if project.late():
                yield finding("settings.N002", "unknown", "no time was left to compile all templates")
                return
            where = project.relative(path)
            try:
                compiled = compile_template(engine, path, name)
            except Exception as error:
                yield finding(
                    "errors.N003",
                    "warning",
                    "the template does not compile: %s" % told(error),
                    place(where, error),
                    "pages that use it are server errors",
                )
                continue
            if compiled is None:
                continue
            for what, parent in missing_parents(engine, compiled):
                yield finding(
                    "errors.N004",
                    "warning",
                    "the template %s %s, which does not exist" % (what, parent),
                    where,
                    "pages that reach it are server errors",
                )
            for target in missing_targets(compiled):
                missing_static.setdefault(target, where)
    for where in dict.fromkeys(missing_static.values()):
        targets = [t for t, w in missing_static.items() if w == where]
        yield finding(
            "static.N001",
            "warning",
            "no static file is found for %s" % listed(targets),
            where,
            "the page works, the file answers 404: is it made by a front-end build, or is the name wrong?",
        )


CHECKS = (templates_compile,)


def own_templates(project, engine):
    """(path, name) of the project's own text templates that this engine would load."""
    seen = 0
    for folder in getattr(engine, "template_dirs", ()):
        if not os.path.isdir(str(folder)) or not (project.owns(os.path.join(str(folder), "x"))):
            continue
        for parent, folders, names in os.walk(str(folder)):
            folders.sort()
            for name in sorted(names):
                path = os.path.join(parent, name)
                if (
                    not name.lower().endswith(TEXT)
                    or not project.owns(path)
                    or seen >= MOST
                    or os.path.getsize(path) > BIG
                ):
                    continue
                seen += 1
                yield path, os.path.relpath(path, str(folder)).replace(os.sep, "/")


def compile_template(engine, path, name):
    """The compiled Django template; None for other engines, whose templates are only compiled."""
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except UnicodeDecodeError:
        return None
    inner = getattr(engine, "engine", None)
    if inner is None:
        environment = getattr(engine, "env", None)
        if environment is not None:
            environment.compile(text, name, path)
        return None
    from django.template import Origin, Template

    return Template(text, origin=Origin(path, name), name=name, engine=inner)


def place(where, error):
    """The line, when Django says it (a template's exception carries its token)."""
    line = getattr(getattr(error, "token", None), "lineno", None) or getattr(error, "lineno", None)
    return "%s:%s" % (where, line) if line else where


def literal(expression):
    """The text of a filter expression that is plainly a string; else empty."""
    value = getattr(expression, "var", None)
    return str(value) if isinstance(value, str) and not getattr(expression, "filters", None) else ""


def missing_parents(engine, compiled):
    from django.template.loader_tags import ExtendsNode, IncludeNode

    for kind, attribute, what in (
        (ExtendsNode, "parent_name", "extends"),
        (IncludeNode, "template", "includes"),
    ):
        for node in compiled.nodelist.get_nodes_by_type(kind):
            name = literal(getattr(node, attribute, None))
            if name and not exists(engine, name):
                yield what, name


def exists(engine, name):
    """Can a loader find it? That it compiles is asked when its own turn comes."""
    from django.template import TemplateDoesNotExist

    try:
        engine.engine.find_template(name)
    except TemplateDoesNotExist:
        return False
    except Exception:
        return True
    return True


def missing_targets(compiled):
    from django.apps import apps

    if not apps.is_installed("django.contrib.staticfiles"):
        return
    from django.contrib.staticfiles import finders
    from django.templatetags.static import StaticNode

    for node in compiled.nodelist.get_nodes_by_type(StaticNode):
        target = literal(getattr(node, "path", None)).partition("?")[0].partition("#")[0]
        if (
            target
            and not target.startswith(("http:", "https:", "//"))
            and not target.endswith("/")
            and finders.find(target.lstrip("/")) is None
        ):
            yield target
