"""Mail: MAILERS or EMAIL_*, whichever this Django and this project use; both at once is an error since Django 6.1."""

from __future__ import annotations

import email.utils
import os
from urllib.parse import parse_qs, unquote, urlsplit

from .overlay_values import NOTE, kept_type


FILES = "django.core.mail.backends.filebased.EmailBackend"
SMTP = "django.core.mail.backends.smtp.EmailBackend"
DEVELOPMENT = tuple("django.core.mail.backends.%s.EmailBackend" % name for name in ("console", "dummy", "filebased", "locmem"))
SECONDS = 10
FLAGS = {
    "smtp": {},
    "submission": {"use_tls": True},
    "smtp+tls": {"use_tls": True},
    "smtps": {"use_ssl": True},
    "smtp+ssl": {"use_ssl": True},
}
OLD_NAMES = {
    "host": "EMAIL_HOST",
    "port": "EMAIL_PORT",
    "username": "EMAIL_HOST_USER",
    "password": "EMAIL_HOST_PASSWORD",
    "use_tls": "EMAIL_USE_TLS",
    "use_ssl": "EMAIL_USE_SSL",
}


def server(environ):
    """The mail server that the environment names, as MAILERS' options; empty when it names none."""
    url = environ.get("EMAIL_URL", "").strip()
    if url:
        return _from_url(url)
    if not environ.get("EMAIL_HOST", "").strip():
        return {}
    given = {option: environ[name].strip() for option, name in OLD_NAMES.items() if environ.get(name, "").strip()}
    for flag in ("use_tls", "use_ssl"):
        if flag in given:
            given[flag] = given[flag].lower() in ("1", "true", "yes", "on")
    if "port" in given:
        given["port"] = int(given["port"])
    elif given.get("use_tls") or given.get("use_ssl"):
        given["port"] = 587 if given.get("use_tls") else 465
    return given


def _from_url(url):
    parts = urlsplit(url)
    if parts.scheme not in FLAGS:
        return {}
    flags = dict(FLAGS[parts.scheme])
    flags.update(
        {"use_" + name: True for name in ("tls", "ssl") if parse_qs(parts.query).get(name, ["false"])[0].lower() in ("1", "true")}
    )
    port = parts.port or (465 if flags.get("use_ssl") else 587 if flags.get("use_tls") else 25)
    found = {"host": parts.hostname or "localhost", "port": port, **flags}
    if parts.username:
        found.update(username=unquote(parts.username), password=unquote(parts.password or ""))
    return found


def mail(view):
    if view.sets("MAILERS") or (
        view.django >= (6, 1) and not any(view.sets(name) for name in (*OLD_NAMES.values(), "EMAIL_BACKEND", "EMAIL_TIMEOUT"))
    ):
        yield from _mailers(view)
    else:
        yield from _email_settings(view)


def _mailers(view):
    given = server(view.environ)
    old = view.get("MAILERS")
    if old is None and not given:
        return
    mailers = {alias: dict(entry) for alias, entry in (old or {}).items()}
    default = mailers.setdefault("default", {"BACKEND": SMTP})
    if given and default.get("BACKEND", SMTP) in (SMTP, *DEVELOPMENT):
        default.update(BACKEND=SMTP, OPTIONS={**_smtp_options(default), **given})
    for entry in mailers.values():
        if entry.get("BACKEND", SMTP) == SMTP:
            entry["OPTIONS"] = {"timeout": SECONDS, **(entry.get("OPTIONS") or {})}
    if mailers != old:
        yield "MAILERS", mailers, _reason(given)


def _smtp_options(entry):
    return dict(entry.get("OPTIONS") or {}) if entry.get("BACKEND", SMTP) == SMTP else {}


def _email_settings(view):
    given = server(view.environ)
    backend = view.get("EMAIL_BACKEND")
    if given and backend in DEVELOPMENT:
        yield "EMAIL_BACKEND", SMTP, "EMAIL_HOST names a server, so mail is sent"
    elif backend in DEVELOPMENT:
        yield "EMAIL_BACKEND", NOTE, "no mail leaves the site until EMAIL_HOST or EMAIL_URL is given"
    if given and backend in (SMTP, *DEVELOPMENT):
        for option, value in given.items():
            yield OLD_NAMES[option], value, _reason(given)
    old_kind = view.django < (6, 1) or any(view.sets(name) for name in OLD_NAMES.values())
    if view.get("EMAIL_TIMEOUT") is None and (given or backend == SMTP) and old_kind:
        yield "EMAIL_TIMEOUT", SECONDS, "a mail server that hangs would hang the request"


def _reason(given):
    return (
        "the mail server of EMAIL_HOST or EMAIL_URL; it must answer within %s s" % SECONDS
        if given
        else "a mail server that hangs would hang the request"
    )


def addresses(view):
    if view.env("ADMINS"):
        people = [pair for pair in _people(view.env("ADMINS")) if pair[1]]
        new = (
            [address for _, address in people]
            if view.django >= (6, 0)
            else [(name or address, address) for name, address in people]
        )
        if people:
            yield "ADMINS", kept_type(view.get("ADMINS"), new), "who gets error mail, from the environment"
            if not view.get("MANAGERS"):
                yield "MANAGERS", kept_type(view.get("MANAGERS"), new), "as ADMINS"
    for name in ("SERVER_EMAIL", "DEFAULT_FROM_EMAIL"):
        if view.env(name):
            yield name, view.env(name), "from the environment"
    if (
        not view.env("SERVER_EMAIL")
        and not view.sets("SERVER_EMAIL")
        and (view.env("DEFAULT_FROM_EMAIL") or view.sets("DEFAULT_FROM_EMAIL"))
    ):
        yield (
            "SERVER_EMAIL",
            view.env("DEFAULT_FROM_EMAIL") or view.get("DEFAULT_FROM_EMAIL"),
            "mail servers refuse root@localhost",
        )


def _people(text):
    """`Ann <ann@x.example>, bob@x.example`, and the `Ann:ann@x.example,...` of many .env files."""
    found = []
    for part in text.replace(";", ",").split(","):
        if ":" in part and "<" not in part:
            name, _, address = part.partition(":")
            found.append((name.strip(), address.strip()))
        else:
            found.append(email.utils.parseaddr(part.strip()))
    return found


def sink(view):
    """A copy of another environment has its people in it: whatever it sends stays in a folder of the site's."""
    if not view.env("NUAGES_QUIET"):
        return
    folder = os.path.join(view.policy.get("data_dir") or "", "unsent-mail")
    why = "nuages quiet: no mail leaves this site"
    if view.get("MAILERS") is not None:
        yield "MAILERS", {alias: {"BACKEND": FILES, "OPTIONS": {"file_path": folder}} for alias in view.get("MAILERS")}, why
        return
    if view.django >= (6, 1) and not any(view.sets(name) for name in (*OLD_NAMES.values(), "EMAIL_BACKEND", "EMAIL_TIMEOUT")):
        yield "MAILERS", {"default": {"BACKEND": FILES, "OPTIONS": {"file_path": folder}}}, why
        return
    yield "EMAIL_BACKEND", FILES, why
    yield "EMAIL_FILE_PATH", folder, why


RULES = (mail, addresses, sink)
