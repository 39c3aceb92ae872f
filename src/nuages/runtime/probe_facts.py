"""The facts of a project that has been set up. Each part stands alone: one that fails is told in `problems`.

settings_file, apps, app_count, databases {alias: {engine, vendor, name, host, family}}, caches {alias: backend},
sessions {engine, cache, serializer}, static {url, root, storage, dirs, finders, files}, media {url, root, storage, storage_class,
fields, own_view}, templates [{backend, dirs, app_dirs, loaders, debug}], auth_user_model, email {backend, mailers}, middleware,
i18n {...}, urls {admin, login, names, websocket, favicon, robots (does a route of the project answer it?)}, entry {wsgi, asgi}, tasks {...see probe_tasks.py}, channels {...},
uses {wagtail, rest_framework, sites, ...}, localhost_urls [{setting, value}], commands [...], migrations {apps, modules, graph},
python_packages {name: version}
"""

from __future__ import annotations

import importlib
import os
import re
import sys


def collect(problems, root):
    parts = {
        "apps": apps,
        "settings_file": settings_file,
        "settings": chosen_settings,
        "databases": databases,
        "caches": caches,
        "sessions": sessions,
        "static": static,
        "media": media,
        "templates": templates,
        "auth_user_model": lambda: settings().AUTH_USER_MODEL,
        "email": email,
        "middleware": lambda: list(settings().MIDDLEWARE or ()),
        "i18n": i18n,
        "urls": urls,
        "entry": entry,
        "tasks": tasks,
        "channels": channels,
        "uses": uses,
        "localhost_urls": localhost_urls,
        "commands": commands,
        "migrations": migrations,
        "debug": lambda: bool(settings().DEBUG),
        "secret_key_fields": secret_key_fields,
        "storage_paths": lambda: local_paths(root),
    }
    facts = {}
    for name, part in parts.items():
        try:
            facts[name] = part()
        except BaseException as error:
            facts[name] = None
            problems.append(
                {
                    "kind": "fact",
                    "name": name,
                    "what": "%s: %s" % (type(error).__name__, error),
                    "where": "",
                    "stage": "facts",
                    "detail": "",
                }
            )
    return facts


def settings():
    from django.conf import settings as configured

    return configured


def value(name, otherwise=None):
    return getattr(settings(), name, otherwise)


def apps():
    from django.apps import apps as registry

    return [{"name": config.name, "label": config.label, "path": str(config.path)} for config in registry.get_app_configs()]


def chosen_settings():
    """Every setting that the project or the overlay gives, as people may see it."""
    from .masking import shown

    names = [name for name in dir(settings()) if name.isupper() and not name.startswith("NUAGES")]
    return {name: shown(name, getattr(settings(), name)) for name in names if is_given(name)}


def is_given(name):
    """Dynaconf's settings object has no is_overridden: there everything counts."""
    try:
        return settings().is_overridden(name)
    except AttributeError:
        return True


def settings_file():
    module = sys.modules.get(os.environ.get("DJANGO_SETTINGS_MODULE", ""))
    return str(getattr(module, "__file__", "") or "")


def databases():
    from django.db import connections

    return {alias: database(connections, alias) for alias in connections}


def database(connections, alias):
    config = dict(connections.settings[alias] if hasattr(connections, "settings") else connections.databases[alias])
    try:
        vendor = connections[alias].vendor
    except Exception as error:  # the driver is missing or refuses this Python
        return {"engine": config.get("ENGINE", ""), "vendor": "", "error": str(error)[:300]}
    name = config.get("NAME")
    return {
        "engine": config.get("ENGINE", ""),
        "vendor": vendor,
        "name": str(name or ""),
        "host": str(config.get("HOST") or ""),
        "port": str(config.get("PORT") or ""),
        "options": sorted(config.get("OPTIONS") or {}),
        "conn_max_age": config.get("CONN_MAX_AGE"),
        "atomic_requests": bool(config.get("ATOMIC_REQUESTS")),
    }


def caches():
    return {
        alias: {
            "backend": c.get("BACKEND", ""),
            "local": "locmem" in c.get("BACKEND", "") or "filebased" in c.get("BACKEND", ""),
        }
        for alias, c in value("CACHES", {}).items()
    }


def sessions():
    return {
        "engine": value("SESSION_ENGINE"),
        "cache": value("SESSION_CACHE_ALIAS"),
        "serializer": value("SESSION_SERIALIZER"),
        "used": used("django.contrib.sessions"),
    }


def used(app):
    from django.apps import apps as registry

    return registry.is_installed(app)


def static():
    found = {
        "url": value("STATIC_URL"),
        "root": value("STATIC_ROOT"),
        "dirs": value("STATICFILES_DIRS", ()),
        "finders": list(value("STATICFILES_FINDERS", ())),
    }
    found["storage"] = storage_class("staticfiles", "STATICFILES_STORAGE")
    found["compressor_offline"] = bool(
        used("compressor") and value("COMPRESS_ENABLED", True) and value("COMPRESS_OFFLINE", False)
    )
    if used("django.contrib.staticfiles"):
        found["files"] = count_static()
    return found


def count_static():
    from django.contrib.staticfiles.finders import get_finders

    counts = {}
    for finder in get_finders():
        try:
            counts[type(finder).__name__] = sum(1 for _ in finder.list([]))
        except Exception as error:  # a STATICFILES_DIRS entry that only a front-end build creates
            counts[type(finder).__name__] = str(error)[:200]
    return counts


def storage_class(alias, old_name):
    storages = value("STORAGES")
    if isinstance(storages, dict) and alias in storages:
        return storages[alias].get("BACKEND", "")
    return value(old_name, "") or ""


def media():
    from django.core.files.storage import default_storage

    cls = (
        type(default_storage._wrapped)
        if hasattr(default_storage, "_wrapped") and default_storage.exists is not None
        else type(default_storage)
    )
    return {
        "url": value("MEDIA_URL"),
        "root": value("MEDIA_ROOT"),
        "storage": storage_class("default", "DEFAULT_FILE_STORAGE"),
        "storage_class": "%s.%s" % (cls.__module__, cls.__qualname__),
        "fields": file_fields(),
        "own_view": has_own_view(),
    }


def has_own_view():
    """Whether the project may decide who sees an upload: a proxy must then leave them to it. None: there is no such folder."""
    from .site_urls import has_routes_below, local_path

    prefix = local_path(value("MEDIA_URL"), {})
    return has_routes_below(prefix) if prefix else None


def file_fields():
    from django.apps import apps as registry
    from django.db.models import FileField

    return [
        {"field": "%s.%s" % (model._meta.label, field.name), "local": is_local(field.storage)}
        for model in registry.get_models(include_auto_created=False)
        for field in model._meta.local_fields
        if isinstance(field, FileField)
    ]


def is_local(storage):
    try:
        storage.path("x")
    except NotImplementedError:
        return False
    except Exception:
        return True
    return True


def secret_key_fields():
    """Fields of libraries that encrypt with SECRET_KEY: rotating it makes their rows unreadable."""
    from django.apps import apps as registry

    names = []
    for model in registry.get_models():
        for field in model._meta.local_fields:
            kind = "%s.%s" % (type(field).__module__, type(field).__name__)
            if "encrypted" in kind.lower() or "fernet" in kind.lower():
                names.append("%s.%s" % (model._meta.label, field.name))
    return names


def templates():
    keep = ("BACKEND", "DIRS", "APP_DIRS")
    found = []
    for engine in value("TEMPLATES", ()) or ():
        options = engine.get("OPTIONS") or {}
        found.append(
            dict(
                {key.lower(): engine.get(key) for key in keep},
                debug=options.get("debug"),
                loaders=bool(options.get("loaders")),
                processors=list(options.get("context_processors") or ()),
            )
        )
    return found


def email():
    mailers = value("MAILERS")
    return {
        "backend": value("EMAIL_BACKEND") if not mailers else "",
        "host_set": bool(mailers or os.environ.get("EMAIL_HOST") or os.environ.get("EMAIL_URL")),
        "mailers": sorted(mailers) if isinstance(mailers, dict) else [],
        "admins": len(value("ADMINS") or ()),
        "default_from": value("DEFAULT_FROM_EMAIL"),
    }


def i18n():
    return {
        "used": bool(value("USE_I18N")),
        "timezone": value("TIME_ZONE"),
        "language": value("LANGUAGE_CODE"),
        "locale_paths": value("LOCALE_PATHS", ()),
    }


def urls():
    from django.urls import NoReverseMatch, get_resolver, reverse

    found = {}
    for key, name in (("admin", "admin:index"), ("login", "login"), ("root", "home")):
        try:
            found[key] = str(reverse(name))
        except NoReverseMatch:
            found[key] = ""
    if not found["login"]:
        found["login"] = str(value("LOGIN_URL", "") or "") if "/" in str(value("LOGIN_URL", "")) else ""
    found["top"] = len(get_resolver().url_patterns)
    found["favicon"], found["robots"] = is_routed("/favicon.ico"), is_routed("/robots.txt")
    found["urlconf"] = value("ROOT_URLCONF", "")
    return found


def is_routed(path):
    from django.urls import Resolver404, resolve

    try:
        resolve(path)
    except Resolver404:
        return False
    return True


def entry():
    return {"wsgi": dotted_entry(value("WSGI_APPLICATION")), "asgi": dotted_entry(value("ASGI_APPLICATION"))}


def dotted_entry(path):
    return ":".join(str(path).rpartition(".")[::2]) if path and "." in str(path) else ""


def tasks():
    from . import probe_tasks

    return probe_tasks.collect()


def channels():
    if not (used("channels") or used("daphne") or value("CHANNEL_LAYERS")):
        return {}
    layers = {alias: layer.get("BACKEND", "") for alias, layer in (value("CHANNEL_LAYERS") or {}).items()}
    return {
        "asgi": value("ASGI_APPLICATION") or "",
        "layers": layers,
        "in_memory": any("InMemory" in backend for backend in layers.values()),
        "websocket": has_websocket(),
    }


def has_websocket():
    """Does the ASGI application route anything but http? Only `ProtocolTypeRouter` can be looked into."""
    name = dotted_entry(value("ASGI_APPLICATION"))
    module, _, attribute = name.partition(":")
    router = getattr(importlib.import_module(module), attribute, None) if module else None
    return "websocket" in (getattr(router, "application_mapping", None) or {})


USES = {
    "wagtail": "wagtail",
    "drf": "rest_framework",
    "sites": "django.contrib.sites",
    "admin": "django.contrib.admin",
    "staticfiles": "django.contrib.staticfiles",
    "cms": "cms",
    "allauth": "allauth",
    "compressor": "compressor",
    "debug_toolbar": "debug_toolbar",
    "gis": "django.contrib.gis",
    "hijack": "hijack",
    "silk": "silk",
    "postgres": "django.contrib.postgres",
}


def uses():
    names = {config["name"] for config in apps()}
    return {key: app in names for key, app in USES.items()}


PUBLIC = re.compile(
    r"(SITE|BASE|PUBLIC|PRIMARY|FRONTEND|ROOT|EXTERNAL|SERVER|BACKEND).*(URL|URI|HOST|ORIGIN)$|DOMAIN|^SITE_ROOT$"
)
LOCAL = re.compile(r"localhost|127\.0\.0\.1|0\.0\.0\.0|example\.(com|org|net)|\.local\b|\.test\b")
NOT_PUBLIC = re.compile(
    r"REDIS|CELERY|DATABASE|DB_|BROKER|CACHE|EMAIL|SMTP|ELASTIC|POSTGRES|RABBIT|LDAP|STATSD|COOKIE|SEARCH|MEMCACHE"
)


def localhost_urls():
    found = []
    for name in sorted(n for n in dir(settings()) if n.isupper()):
        if not PUBLIC.search(name) or NOT_PUBLIC.search(name):
            continue
        setting = value(name)
        if isinstance(setting, str) and LOCAL.search(setting):
            found.append({"setting": name, "value": setting[:200]})
    return found


def commands():
    """Every command that the project's own and third-party apps bring (Django's are known)."""
    from django.core.management import get_commands

    return sorted(name for name, app in get_commands().items() if not str(app).startswith("django."))


def migrations():
    from django.apps import apps as registry
    from django.conf import settings as configured

    modules = getattr(configured, "MIGRATION_MODULES", None) or {}
    counts = {}
    for config in registry.get_app_configs():
        name = modules.get(config.label, config.name + ".migrations")
        counts[config.label] = count_migrations(name) if name else 0
    return {"modules": sum(counts.values()), "apps": {label: n for label, n in counts.items() if n}, "graph": graph()}


def graph():
    """Every migration, as `app.name`, with those that it comes after: what a database is compared with before Django is asked."""
    from django.db.migrations.loader import MigrationLoader

    try:
        found = MigrationLoader(None, ignore_no_migrations=True).graph
    except Exception:  # the checks say what is wrong with them
        return {}
    return {"%s.%s" % key: sorted("%s.%s" % parent.key for parent in node.parents) for key, node in found.node_map.items()}


def count_migrations(name):
    try:
        module = importlib.import_module(name)
    except Exception:
        return 0
    folders = [p for p in getattr(module, "__path__", ()) if os.path.isdir(p)]
    return sum(1 for folder in folders for f in os.listdir(folder) if f.endswith(".py") and f[0] not in "_~")


PATHS = re.compile(r"(ROOT|DIR|PATH|FOLDER|FILE|LOCATION)$")


def local_paths(root):
    """Settings that name a path inside the project: what is written there would be lost with the release."""
    found = {}
    for name in sorted(n for n in dir(settings()) if n.isupper() and PATHS.search(n)):
        setting = value(name)
        text = str(setting) if isinstance(setting, (str, os.PathLike)) else ""
        if text.startswith(os.path.join(root, "")):
            found[name] = os.path.relpath(text, root)
    return found
