"""Every template of the project itself is compiled; what it extends, includes and takes from static is looked up."""

from __future__ import annotations

import os

from .audit_project import finding, listed, told


MOST = 5000
BIG = 1000000
# Scripts and Markdown beside templates are seldom templates themselves.
TEXT = (".html", ".htm", ".xhtml", ".txt", ".xml", ".email", ".mjml", ".djhtml", ".jinja", ".jinja2", ".j2")


def templates_compile(project):
    """errors.N003, errors.N004 and static.N001: one walk, since compiling is what takes the time."""
    from django.template import engines

    missing_static = {}
    for path, ways in sorted(own_templates(project, engines.all()).items()):
        if project.late():
            yield finding("settings.N002", "unknown", "no time was left to compile all templates")
            break
        where = project.relative(path)
        compiled, error = compile_in_any(path, ways)
        if error is not None:
            hint = "pages that use it are server errors"
            yield finding(
                "errors.N003",
                "warning",
                "the template does not compile: %s" % told(error),
                place(where, error),
                hint,
            )
        if compiled is None:
            continue
        for what, name in missing_parents(compiled):
            hint = "pages that reach it are server errors"
            yield finding(
                "errors.N004",
                "warning",
                "the template %s %s, which does not exist" % (what, name),
                where,
                hint,
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


def own_templates(project, engines):
    """Path -> [(engine, name)] of the project's own text templates; several engines may load the same file."""
    found = {}
    for engine in engines:
        for folder in map(os.path.realpath, map(str, getattr(engine, "template_dirs", ()))):
            if not project.owns(os.path.join(folder, "x")):
                continue
            for parent, _, names in os.walk(folder):
                for path in (os.path.join(parent, name) for name in names if name.lower().endswith(TEXT)):
                    if project.owns(path) and os.path.getsize(path) <= BIG and (path in found or len(found) < MOST):
                        name = os.path.relpath(path, folder).replace(os.sep, "/")
                        found.setdefault(path, []).append((engine, name))
    return found


def compile_in_any(path, ways):
    """(compiled, None) from the first engine that takes it, or (None, the first error)."""
    first = None
    for engine, name in ways:
        try:
            return compile_template(engine, path, name), None
        except Exception as error:
            first = first or error
    return None, first


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


def missing_parents(compiled):
    from django.template.loader_tags import ExtendsNode, IncludeNode

    for kind, attribute, what in (
        (ExtendsNode, "parent_name", "extends"),
        (IncludeNode, "template", "includes"),
    ):
        for node in compiled.nodelist.get_nodes_by_type(kind):
            name = literal(getattr(node, attribute, None))
            # Relative names are resolved while compiling; form templates come from the form renderer's own engine.
            if name and not name.startswith("django/forms/") and not exists(name):
                yield what, name


def exists(name):
    """Can any engine find it? That it compiles is asked when its own turn comes."""
    from django.template import TemplateDoesNotExist, engines

    for engine in engines.all():
        try:
            engine.engine.find_template(name) if hasattr(engine, "engine") else engine.get_template(name)
        except TemplateDoesNotExist:
            continue
        except Exception:
            return True
        return True
    return False


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
