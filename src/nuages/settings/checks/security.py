"""Text where a yes or no belongs: what only the source shows, since the values in force look right."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nuages.settings.checks.registry import Context, check, finding
from nuages.settings.model import Finding


YES_NO = (
    "DEBUG",
    "SESSION_COOKIE_SECURE",
    "CSRF_COOKIE_SECURE",
    "SESSION_COOKIE_HTTPONLY",
    "CSRF_COOKIE_HTTPONLY",
    "SECURE_SSL_REDIRECT",
    "SECURE_HSTS_PRELOAD",
    "SECURE_HSTS_INCLUDE_SUBDOMAINS",
    "SECURE_CONTENT_TYPE_NOSNIFF",
    "USE_X_FORWARDED_HOST",
    "EMAIL_USE_TLS",
    "EMAIL_USE_SSL",
    "CORS_ALLOW_ALL_ORIGINS",
    "CORS_ORIGIN_ALLOW_ALL",
    "CORS_ALLOW_CREDENTIALS",
)
READS = ("os.environ.get", "os.getenv", "environ.get", "getenv")


def variable_read(node: ast.AST) -> str:
    """The name in `os.environ.get("NAME", ...)`, `os.getenv("NAME")` or `os.environ["NAME"]`; else empty."""
    name: ast.AST | None = None
    if isinstance(node, ast.Call) and ast.unparse(node.func) in READS and node.args:
        name = node.args[0]
    elif isinstance(node, ast.Subscript) and ast.unparse(node.value) in ("os.environ", "environ"):
        name = node.slice
    return name.value if isinstance(name, ast.Constant) and isinstance(name.value, str) else ""


def presence_is_meant(name: str) -> bool:
    """Platforms set such variables to something or not at all: their presence is the answer."""
    return name in ("CI", "DYNO", "VERCEL", "RENDER", "GITHUB_ACTIONS") or name.endswith(
        ("_URL", "_DSN", "_KEY", "_HOST", "_TOKEN", "_PATH")
    )


@check("security.N001")
def bool_of_text(context: Context) -> Iterator[Finding]:
    for module in context.source.settings:
        for node in ast.walk(module.tree):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "bool" and node.args):
                continue
            name = variable_read(node.args[0])
            if name and not presence_is_meant(name):
                yield finding(
                    "security.N001",
                    "warning",
                    f'bool() of the variable {name}: every text is true, "False" and "0" too',
                    where=module.at(node),
                    hint=f'compare it: os.environ.get("{name}", "").lower() in ("1", "true", "yes")',
                )


@check("security.N002")
def text_as_yes_or_no(context: Context) -> Iterator[Finding]:
    for module in context.source.settings:
        for name, value in module.assignments():
            variable = variable_read(value)
            default = value.args[1] if isinstance(value, ast.Call) and len(value.args) > 1 else None
            meant_text = isinstance(default, ast.Constant) and default.value == ""
            if name in YES_NO and variable and not meant_text:
                yield finding(
                    "security.N002",
                    "warning",
                    f'{name} is the text of the variable {variable}, and every text but "" is true',
                    where=module.at(value),
                    hint=f'{name} = os.environ.get("{variable}", "").lower() in ("1", "true", "yes")',
                )


@check("security.N003")
def every_host_is_allowed(context: Context) -> Iterator[Finding]:
    named = [(m, v) for m in context.source.settings for name, v in m.assignments() if name == "ALLOWED_HOSTS"]
    for module, value in named[:1]:
        hosts = value.elts if isinstance(value, ast.List | ast.Tuple) else []
        if any(isinstance(host, ast.Constant) and host.value == "*" for host in hosts):
            yield finding(
                "security.N003",
                "info",
                'ALLOWED_HOSTS = ["*"] in the project; the domains of nuages.toml replace it here',
                where=module.at(value),
                hint="name the hosts in the project too, for whoever runs it elsewhere",
            )
