"""Settings in force that leak, and those that look set but are not."""

from __future__ import annotations

import os

from .audit_project import finding, listed, told


FAST = (
    "MD5PasswordHasher",
    "SHA1PasswordHasher",
    "UnsaltedMD5PasswordHasher",
    "UnsaltedSHA1PasswordHasher",
    "CryptPasswordHasher",
)
TOOLS = {"debug_toolbar": "Django Debug Toolbar", "silk": "django-silk", "pyinstrument": "pyinstrument", "nplusone": "nplusone",
         "django_pdb": "django-pdb", "debugtools": "debugtools", "devserver": "devserver"}  # fmt: skip
# Setting: (the first Django that ignores it, what it became, does the site behave otherwise than it reads).
REMOVED = {
    "STATICFILES_STORAGE": ((5, 1), 'STORAGES["staticfiles"]', True),
    "DEFAULT_FILE_STORAGE": ((5, 1), 'STORAGES["default"]', True),
    "USE_L10N": ((5, 0), "always on", False),
    "CSRF_COOKIE_MASKED": ((5, 0), "nothing", False),
    "USE_DEPRECATED_PYTZ": ((5, 0), "nothing", False),
    "DEFAULT_HASHING_ALGORITHM": ((4, 0), "nothing", False),
    "PASSWORD_RESET_TIMEOUT_DAYS": ((4, 0), "PASSWORD_RESET_TIMEOUT", True),
    "SECURE_BROWSER_XSS_FILTER": ((4, 0), "nothing", False),
    "MIDDLEWARE_CLASSES": ((2, 0), "MIDDLEWARE", True),
    "TEMPLATE_DIRS": ((1, 10), "TEMPLATES", True),
    "TEMPLATE_CONTEXT_PROCESSORS": ((1, 10), "TEMPLATES", True),
}


def cross_origin_with_cookies(project):
    from django.conf import settings

    open_to_all = getattr(settings, "CORS_ALLOW_ALL_ORIGINS", False) or getattr(settings, "CORS_ORIGIN_ALLOW_ALL", False)
    active = any("corsheaders" in m for m in settings.MIDDLEWARE)
    if active and open_to_all and getattr(settings, "CORS_ALLOW_CREDENTIALS", False):
        leaks = str(settings.SESSION_COOKIE_SAMESITE).lower() == "none" if settings.SESSION_COOKIE_SAMESITE else "none"
        what = "every website may read answers made with the visitor's cookies"
        if not leaks:
            what = "every origin is allowed with credentials; only SameSite keeps other websites from reading as the visitor"
        yield finding(
            "security.N004",
            "error" if leaks else "warning",
            what,
            "CORS_ALLOW_ALL_ORIGINS",
            "name the origins in CORS_ALLOWED_ORIGINS",
        )


def pickled_sessions(project):
    from django.conf import settings

    if str(settings.SESSION_SERIALIZER).endswith("PickleSerializer"):
        signed = settings.SESSION_ENGINE.endswith("signed_cookies")
        what = "sessions are pickled" + (
            " into cookies: who learns the key runs code on the server" if signed else ": who can write to their store runs code"
        )
        yield finding(
            "security.N005",
            "warning",
            what,
            "SESSION_SERIALIZER",
            "django.contrib.sessions.serializers.JSONSerializer",
        )


def fast_password_hash(project):
    from django.conf import settings

    first = str((list(settings.PASSWORD_HASHERS) or [""])[0])
    if first.endswith(FAST):
        yield finding(
            "security.N006",
            "warning",
            "passwords are stored with %s, made for tests" % first.rpartition(".")[2],
            "PASSWORD_HASHERS",
            "put Django's default hashers first",
        )


def debug_tools(project):
    from django.conf import settings

    for package, name in TOOLS.items():
        active = [m for m in settings.MIDDLEWARE if m.partition(".")[0] == package]
        if not active or (
            package == "debug_toolbar" and not getattr(settings, "DEBUG_TOOLBAR_CONFIG", {}).get("SHOW_TOOLBAR_CALLBACK")
        ):
            continue  # the toolbar's own callback shows it only under DEBUG
        if package == "silk" and routed("silk") and not getattr(settings, "SILKY_AUTHENTICATION", False):
            what = "django-silk records requests with their bodies and shows them to everybody"
            yield finding(
                "debug.N002",
                "error",
                what,
                active[0],
                "set SILKY_AUTHENTICATION and SILKY_AUTHORISATION, or leave silk out in production",
            )
        else:
            yield finding(
                "debug.N001",
                "warning",
                "%s is active in every request" % name,
                active[0],
                "add it to MIDDLEWARE only under DEBUG",
            )


def routed(package):
    return any(str(getattr(view, "__module__", "")).partition(".")[0] == package for view in views())


def views(most=5000):
    """Every view of the URLconf, bounded."""
    from django.urls import get_resolver

    waiting, given = [get_resolver()], 0
    while waiting and given < most:
        for pattern in waiting.pop().url_patterns:
            if hasattr(pattern, "url_patterns"):
                waiting.append(pattern)
            elif getattr(pattern, "callback", None) is not None:
                given += 1
                yield pattern.callback


def atomic_requests_with_async_views(project):
    from asyncio import iscoroutinefunction

    from django.conf import settings

    atomic = [alias for alias, options in settings.DATABASES.items() if options.get("ATOMIC_REQUESTS")]
    if not atomic:
        return
    named = []
    for view in views():
        is_async = iscoroutinefunction(view) or bool(getattr(getattr(view, "view_class", None), "view_is_async", False))
        if is_async and not (set(atomic) <= set(getattr(view, "_non_atomic_requests", ()))):
            named.append("%s.%s" % (view.__module__, getattr(view, "__name__", "?")))
    if named:
        what = "ATOMIC_REQUESTS does not work with async views; every request to these fails: %s" % listed(named)
        yield finding(
            "database.N002",
            "error",
            what,
            "ATOMIC_REQUESTS",
            "decorate them with @transaction.non_atomic_requests, or make them sync",
        )


def source_is_published(project):
    from django.conf import settings

    module = os.environ.get("DJANGO_SETTINGS_MODULE", "")
    import sys

    source = os.path.realpath(getattr(sys.modules.get(module), "__file__", None) or "")
    folders = [
        (d[1] if isinstance(d, (tuple, list)) else d, "STATICFILES_DIRS") for d in getattr(settings, "STATICFILES_DIRS", ())
    ]
    folders.append((settings.MEDIA_ROOT, "MEDIA_ROOT"))
    for folder, name in folders:
        if folder and source and source.startswith(os.path.realpath(str(folder)) + os.sep):
            what = "%s holds the settings module: the project's source would be published" % project.relative(folder)
            yield finding("static.N004", "error", what, name, "keep static files in a folder of their own")


def removed_settings(project):
    import django
    from django.conf import settings

    for name, (since, instead, matters) in REMOVED.items():
        if since <= django.VERSION and is_set(settings, name):
            what = "%s has no effect since Django %d.%d" % ((name, *since))
            yield finding(
                "settings.N004",
                "warning" if matters and not replaced(settings, name) else "info",
                what,
                name,
                "now: %s" % instead,
            )


def is_set(settings, name):
    try:
        return bool(settings.is_overridden(name))
    except AttributeError:
        return hasattr(settings, name)


def replaced(settings, name):
    """Did the project, or our overlay, say it in the new way as well?"""
    alias = {"STATICFILES_STORAGE": "staticfiles", "DEFAULT_FILE_STORAGE": "default"}.get(name)
    storage = (getattr(settings, "STORAGES", None) or {}).get(alias, {}) if alias else {}
    default = (
        "django.core.files.storage.FileSystemStorage",
        "django.contrib.staticfiles.storage.StaticFilesStorage",
    )
    return bool(storage) and storage.get("BACKEND") not in default


def mail(project):
    from django.conf import settings

    if not getattr(settings, "ADMINS", None):
        yield finding(
            "errors.N005",
            "info",
            "ADMINS is empty: nobody gets a mail about errors",
            "ADMINS",
            "nuages config set ADMINS=you@example.org (and EMAIL_HOST)",
        )
    try:
        name = mail_backend()
    except Exception as error:
        if type(error).__name__ == "MailerDoesNotExist":
            yield finding("errors.N006", "info", "mail is not configured", "MAILERS", "nuages config set EMAIL_HOST=...")
        else:
            hint = "sending mail, as for a password reset, would be a server error"
            yield finding(
                "errors.N007",
                "warning",
                "the mail backend can't be loaded: %s" % told(error),
                "EMAIL_BACKEND",
                hint,
            )
        return
    if name.split(".")[-1] in ("console", "dummy", "locmem", "filebased"):
        yield finding(
            "errors.N006",
            "info",
            "mail is not sent: the backend is %s" % name,
            "EMAIL_BACKEND",
            "nuages config set EMAIL_HOST=...",
        )


def mail_backend():
    """The module of the default backend; loading it opens no connection."""
    try:
        from django.core.mail import mailers

        return type(mailers.default).__module__
    except ImportError:
        from django.core.mail import get_connection

        return type(get_connection()).__module__


CHECKS = (
    cross_origin_with_cookies,
    pickled_sessions,
    fast_password_hash,
    debug_tools,
    atomic_requests_with_async_views,
    source_is_published,
    removed_settings,
    mail,
)
