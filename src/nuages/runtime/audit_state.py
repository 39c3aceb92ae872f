"""State that one machine, or one process, keeps for itself: uploads, databases, channel layers, logs, caches, sessions."""

from __future__ import annotations

import os

from .audit_project import finding, listed, told


LOCMEM = "django.core.cache.backends.locmem.LocMemCache"
DUMMY = "django.core.cache.backends.dummy.DummyCache"
FILES = "django.core.cache.backends.filebased.FileBasedCache"
SECOND_SERVER = "a second server would not see them: an object store (django-storages), or a shared disk"


def uploads_on_local_disk(project):
    from django.apps import apps
    from django.core.files.storage import FileSystemStorage
    from django.db.models import FileField

    fields = [
        "%s.%s" % (model._meta.label, field.name)
        for model in apps.get_models()
        for field in model._meta.local_fields
        if isinstance(field, FileField) and isinstance(unwrapped(field.storage), FileSystemStorage)
    ]
    if fields:
        yield finding(
            "state.N001",
            "info",
            "uploads are kept on this machine's disk: %s" % listed(fields),
            "STORAGES",
            SECOND_SERVER,
        )


def unwrapped(storage):
    """`default_storage` is lazy; isinstance looks through it only once it is set up."""
    if hasattr(storage, "_setup") and hasattr(storage, "_wrapped"):
        storage.exists  # noqa: B018 touching an attribute sets it up
        return storage._wrapped
    return storage


def databases_in_files(project):
    from django.conf import settings

    aliases = [
        a for a, d in settings.DATABASES.items() if "sqlite" in str(d.get("ENGINE")) or "spatialite" in str(d.get("ENGINE"))
    ]
    if aliases:
        hint = "right for one server; before a second one: DATABASE_URL of a database server"
        yield finding("state.N002", "info", "SQLite is the database of: %s" % listed(aliases), "DATABASES", hint)


def channel_layers(project):
    from django.conf import settings

    layers = getattr(settings, "CHANNEL_LAYERS", None) or {}
    aliases = [alias for alias, layer in layers.items() if str(layer.get("BACKEND")).endswith("InMemoryChannelLayer")]
    if aliases:
        many = workers(project) > 1
        hint = "channels_redis carries messages between processes (REDIS_URL)"
        what = "messages of the in-memory channel layer stay in one process" + (", and there are several" if many else "")
        yield finding("state.N003", "warning" if many else "info", what, "CHANNEL_LAYERS", hint)


def workers(project):
    try:
        return int(project.policy.get("workers") or 0)
    except (TypeError, ValueError):
        return 0


def logs_in_files(project):
    from django.conf import settings

    handlers = (getattr(settings, "LOGGING", None) or {}).get("handlers") or {}
    paths = [str(h["filename"]) for h in handlers.values() if isinstance(h, dict) and h.get("filename")]
    paths = [p for p in paths if p != os.devnull]
    if paths:
        names = listed([project.relative(p) for p in paths])
        hint = "everything goes to standard output too, where `nuages logs` reads it; files under the release go with it"
        yield finding("state.N004", "info", "logs are also written to files: %s" % names, "LOGGING", hint)


def caches_of_one_process(project):
    from django.conf import settings

    locmem = [a for a, c in settings.CACHES.items() if c.get("BACKEND") == LOCMEM]
    files = [a for a, c in settings.CACHES.items() if c.get("BACKEND") == FILES]
    if locmem:
        hint = "set CACHE_URL or REDIS_URL to share one; throttling and locks kept in a cache count per process until then"
        yield finding("caches.N001", "info", "each process has its own cache: %s" % listed(locmem), "CACHES", hint)
    if files:
        hint = "slow with many entries, and pickles are read from it: set CACHE_URL or REDIS_URL"
        yield finding(
            "caches.N003",
            "info",
            "the cache is a directory on this machine: %s" % listed(files),
            "CACHES",
            hint,
        )


def sessions_that_get_lost(project):
    from django.conf import settings

    engine = settings.SESSION_ENGINE
    used = any("SessionMiddleware" in m for m in settings.MIDDLEWARE)
    backend = settings.CACHES.get(settings.SESSION_CACHE_ALIAS, {}).get("BACKEND")
    if (
        used
        and engine == "django.contrib.sessions.backends.cache"
        and (backend == DUMMY or (backend == LOCMEM and workers(project) != 1))
    ):
        what = "sessions are in a cache that %s: logins get lost" % (
            "keeps nothing" if backend == DUMMY else "each process has for itself"
        )
        yield finding(
            "caches.N002",
            "error",
            what,
            "SESSION_ENGINE",
            "set CACHE_URL or REDIS_URL, or SESSION_ENGINE to the cached_db backend",
        )
    if used and engine == "django.contrib.sessions.backends.file":
        yield finding("caches.N004", "info", "sessions are files on this machine", "SESSION_ENGINE", SECOND_SERVER)


def caches_load(project):
    from django.conf import settings
    from django.core.cache import caches

    for alias, options in settings.CACHES.items():
        try:
            cache = caches[alias]
            if "redis.RedisCache" in str(options.get("BACKEND")):
                cache._cache  # noqa: B018 imports the client library, opens no connection
            elif "PyMemcacheCache" in str(options.get("BACKEND")):
                cache._class  # noqa: B018
        except ImportError as error:
            yield finding(
                "caches.N005",
                "error",
                "the cache %r can't be loaded: %s" % (alias, told(error)),
                "CACHES",
                "add the client library to the requirements",
            )
        except AttributeError:
            continue
        except Exception as error:
            if type(error).__name__ in ("InvalidCacheBackendError", "ImproperlyConfigured"):
                yield finding(
                    "caches.N005",
                    "error",
                    "the cache %r can't be loaded: %s" % (alias, told(error)),
                    "CACHES",
                )


def connections(project):
    from django.conf import settings

    asgi = project.policy.get("interface") == "asgi"
    for alias, options in settings.DATABASES.items():
        engine, where = str(options.get("ENGINE")), "DATABASES[%r]" % alias
        name = str(options.get("NAME") or "")
        if "sqlite" in engine and (name in ("", ":memory:") or "mode=memory" in name):
            yield finding(
                "database.N004",
                "error",
                "the database is in memory: every process has its own, and nothing is kept",
                where,
                "nuages config set DATABASE_URL=sqlite:///db.sqlite3, or the URL of a database server",
            )
        pooled = bool((options.get("OPTIONS") or {}).get("pool"))
        persistent = options.get("CONN_MAX_AGE", 0) != 0
        if pooled and persistent and "postgresql" in engine:
            yield finding(
                "database.N003",
                "error",
                "a connection pool does not work with CONN_MAX_AGE",
                where,
                "set CONN_MAX_AGE to 0: the pool keeps connections",
            )
        elif not pooled and not persistent and not asgi and ("postgres" in engine or "mysql" in engine or "postgis" in engine):
            yield finding(
                "database.N001",
                "info",
                "each request opens a new connection",
                where,
                "set CONN_MAX_AGE to 60 and CONN_HEALTH_CHECKS to True",
            )


CHECKS = (
    uploads_on_local_disk,
    databases_in_files,
    channel_layers,
    logs_in_files,
    caches_of_one_process,
    sessions_that_get_lost,
    caches_load,
    connections,
)
