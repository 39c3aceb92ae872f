"""What the project's files tell about its state, static files, lock and settings."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from nuages.settings.checks.registry import Context, check, finding
from nuages.settings.model import Finding


KEY_LIKE = ("secret", "key", ".pem", "token")
STATIC_ROOT_FILES = 3


@check("state.N005")
def settings_write_files(context: Context) -> Iterator[Finding]:
    for path in context.project.probe.files_written:
        secret = any(word in PurePosixPath(path).name.lower() for word in KEY_LIKE)
        yield finding(
            "state.N005",
            "warning" if secret else "info",
            f"loading the project writes {path}" + (": each release and each server would have its own secret" if secret else ""),
            where=path,
            hint="give the value by `nuages config set`" if secret else "",
        )


@check("static.N002")
def uploads_only_under_debug(context: Context) -> Iterator[Finding]:
    for path in context.source.tracked:
        if PurePosixPath(path).name != "urls.py":
            continue
        text = context.source.text(path)
        if "MEDIA_URL" not in text or "static(" not in text:
            continue
        module = context.source.parse(path)
        for node in ast.walk(module.tree) if module else ():
            if (
                isinstance(node, ast.Call)
                and ast.unparse(node.func) in ("static", "static.static")
                and node.args
                and ast.unparse(node.args[0]).endswith("MEDIA_URL")
            ):
                yield finding(
                    "static.N002",
                    "info",
                    "the project serves uploads only under DEBUG; nuages serves them here",
                    where=f"{path}:{node.lineno}",
                    hint="elsewhere a web server or an object store has to",
                )
                return


@check("static.N003")
def files_under_static_root(context: Context) -> Iterator[Finding]:
    if not context.source.in_git:
        return
    for module in context.source.settings:
        for name, value in module.assignments():
            folder = last_part(value) if name == "STATIC_ROOT" else ""
            if not folder:
                continue
            tracked = [p for p in context.source.tracked if p.startswith(f"{folder}/")]
            if len(tracked) >= STATIC_ROOT_FILES:
                yield finding(
                    "static.N003",
                    "info",
                    f"{len(tracked)} files are tracked under STATIC_ROOT ({folder}/), where collectstatic writes",
                    where=module.at(value),
                    hint="nuages publishes them as they are committed, old builds too: keep sources in STATICFILES_DIRS, ignore STATIC_ROOT",
                )


def last_part(node: ast.expr) -> str:
    """The folder in `BASE_DIR / "static"` or `os.path.join(BASE_DIR, "static")`: only these plain forms."""
    parts: list[ast.expr] = []
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and isinstance(node.left, ast.Name):
        parts = [node.right]
    elif isinstance(node, ast.Call) and ast.unparse(node.func) == "os.path.join" and isinstance(node.args[0], ast.Name):
        parts = node.args[1:]
    names = [p.value for p in parts if isinstance(p, ast.Constant) and isinstance(p.value, str)]
    return "/".join(n.strip("/") for n in names) if names and len(names) == len(parts) else ""


@check("dependencies.N003")
def project_has_no_lock(context: Context) -> Iterator[Finding]:
    lock = context.project.environment.lock
    if lock.source == "resolved":
        where = ", ".join(context.project.files.requirements.files)
        yield finding(
            "dependencies.N003",
            "info",
            "the requirements leave versions open; the first resolution is kept for this site",
            where=where,
            hint="a lock in the repository (uv lock, or uv pip compile) gives every machine the same versions",
        )


@check("settings.N003")
def tls_is_not_declared(context: Context) -> Iterator[Finding]:
    if not context.topology.tls.enabled:
        what = "TLS is not declared: no redirect to https, no secure cookies, no HSTS"
        yield finding(
            "settings.N003",
            "info",
            what,
            where="nuages.toml",
            hint="with a certificate in front: [tls] enabled = true",
        )


@check("settings.N005")
def settings_are_in_force(context: Context) -> Iterator[Finding]:
    for difference in context.project.probe.readback:
        name = str(difference.get("setting", "?"))
        yield finding(
            "settings.N005",
            "error",
            f"{name} is {difference.get('actual')} and should be {difference.get('expected')}",
            where=name,
            hint=f'something sets it after the settings module; to accept it: [overlay] leave = ["{name}"] in nuages.toml',
        )


@check("migrations.N006")
def unapplied_migrations(context: Context) -> Iterator[Finding]:
    if context.pending:
        names = ", ".join(context.pending[:5]) + (" ..." if len(context.pending) > 5 else "")  # noqa: PLR2004
        yield finding(
            "migrations.N006",
            "info",
            f"{len(context.pending)} migrations are not applied yet: {names}",
            hint="`nuages plan` shows when each runs",
        )


def relative(path: str, root: Path) -> str:
    """A path under the root as people write it; others as they are."""
    try:
        return str(Path(path).relative_to(root))
    except ValueError:
        return path
