"""Django's own `check --deploy`, without what our settings answer and without the same line fifty times."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nuages.settings.checks.registry import Context
from nuages.settings.model import Finding


# In force here whatever the project says: DEBUG off, a strong key, hosts from the domains.
SETTLED = {"security.W009", "security.W018", "security.W020"}
# errors.N006 says it, with what to set.
OURS = {"mail.E001"}
# One info, settings.N003, says all of them while TLS is not declared.
ABOUT_TLS = {
    "security.W004",
    "security.W005",
    "security.W008",
    "security.W012",
    "security.W016",
    "security.W021",
}
# Advice about taste or about the future: true, but not about whether this site works.
ADVICE = {
    "models.W042",
    "staticfiles.W004",
    "urls.W005",
    "security.W004",
    "security.W005",
    "security.W021",
    "security.W019",
    "templates.W003",
}
# Findings of the database's own connection: the probe has none.
LEVELS = {"CRITICAL": 50, "ERROR": 40, "WARNING": 30, "INFO": 20, "DEBUG": 10}


def level_of(message: Mapping[str, Any]) -> int:
    level = message.get("level", 30)
    return level if isinstance(level, int) else LEVELS.get(str(level).upper(), 30)


def severity_of(message: Mapping[str, Any]) -> str:
    """An error stops manage.py, so it stops us; one that only --deploy reports stops neither."""
    check_id, level = str(message.get("id") or ""), level_of(message)
    if level >= LEVELS["ERROR"]:
        return "warning" if message.get("deploy") else "error"
    return "warning" if level >= LEVELS["WARNING"] and check_id not in ADVICE else "info"


def django_findings(context: Context) -> Iterator[Finding]:
    """One finding per id: the first message, and how many more there are."""
    by_id: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for message in context.project.probe.checks:
        check_id = str(message.get("id") or "django")
        if check_id in SETTLED | OURS or (check_id in ABOUT_TLS and not context.topology.tls.enabled):
            continue
        by_id.setdefault((check_id, severity_of(message)), []).append(message)
    for (check_id, severity), messages in by_id.items():
        yield as_finding(check_id, severity, messages)


def as_finding(check_id: str, severity: str, messages: list[Mapping[str, Any]]) -> Finding:
    first = messages[0]
    what = " ".join(str(first.get("msg") or first.get("what") or "").split())
    more = f" ({len(messages) - 1} more)" if len(messages) > 1 else ""
    named = [str(m.get("obj") or m.get("where") or "") for m in messages[:3]]
    where = ", ".join(dict.fromkeys(name for name in named if " object at 0x" not in name))
    return Finding(
        check_id,
        severity,
        what + more,
        where.strip(", "),
        " ".join(str(first.get("hint") or "").split()),
        group_of_django(check_id),
    )


def group_of_django(check_id: str) -> str:
    """Under which of our headings a message of Django stands."""
    app = check_id.partition(".")[0]
    ours = {"security": "security", "staticfiles": "static", "caches": "caches", "database": "database", "mysql": "database",
            "postgres": "database", "templates": "errors", "mail": "errors", "migrations": "migrations", "sessions": "caches"}  # fmt: skip
    return ours.get(app, "django")
