"""CACHES and sessions: a dead cache is a slow site, not a dead one."""

from __future__ import annotations

import importlib.util
import re
from urllib.parse import parse_qsl, urlencode, urlsplit

from .overlay_values import NOTE


REDIS = "django.core.cache.backends.redis.RedisCache"
MEMCACHED = "django.core.cache.backends.memcached.PyMemcacheCache"
LOCMEM = "django.core.cache.backends.locmem.LocMemCache"
SAFE = {REDIS: "nuages_runtime.caches.SafeRedisCache", MEMCACHED: "nuages_runtime.caches.SafeMemcached"}
# Measured with hosts stopped, hung and cut off: no failed request (a hang adds 56 ms at the 95th percentile).
MEMCACHED_OPTIONS = {
    "ignore_exc": True,
    "connect_timeout": 0.2,
    "timeout": 0.3,
    "no_delay": True,
    "use_pooling": True,
    "max_pool_size": 16,
    "retry_attempts": 1,
    "retry_timeout": 1,
    "dead_timeout": 10,
}
REDIS_OPTIONS = {"socket_connect_timeout": 0.2, "socket_timeout": 0.3}
CELERY_NAMES = re.compile(r"(^|_)(BROKER|BROKER_READ|BROKER_WRITE|RESULT_BACKEND)(_URL)?$")


def cache_from_url(view):
    url = view.env("CACHE_URL") or view.env("REDIS_URL")
    if not url:
        return
    name = "CACHE_URL" if view.env("CACHE_URL") else "REDIS_URL"
    caches = dict(view.get("CACHES") or {})
    default = caches.get("default") or {}
    if default and not str(default.get("BACKEND", "")).endswith(("LocMemCache", "DummyCache", "FileBasedCache")):
        if name == "CACHE_URL" and url not in str(default.get("LOCATION")):
            yield (
                "CACHES",
                NOTE,
                "CACHE_URL is given, but the project has a shared cache of its own; it stays",
            )
        return
    entry, problem = _entry(view, url)
    if problem:
        yield "CACHES", NOTE, "%s is given, but %s" % (name, problem)
        return
    kept = {key: value for key, value in default.items() if key in ("KEY_PREFIX", "TIMEOUT", "VERSION", "KEY_FUNCTION")}
    yield (
        "CACHES",
        {**caches, "default": {**kept, **entry}},
        "%s: one cache for all processes; when it dies, entries are only missed" % name,
    )


def _entry(view, url):
    """An entry for `url`, or why there can't be one."""
    scheme = urlsplit(url).scheme.lower().replace("rediscache", "redis")
    if scheme in ("redis", "rediss", "unix", "valkey"):
        return _redis(view, "redis" + url[len("valkey") :] if scheme == "valkey" else url)
    if scheme in ("memcache", "memcached", "pymemcache"):
        return _memcached(view, urlsplit(url))
    if scheme in ("locmem", "locmemcache"):
        return {"BACKEND": LOCMEM}, ""
    return None, "%r is no cache that we know (redis, rediss, unix, memcached)" % scheme


def _redis(view, location):
    if view.django < (4, 0):
        return None, "Redis needs Django 4.0"
    if not importlib.util.find_spec("redis"):
        return None, "the package redis is not among the requirements"
    return {"BACKEND": SAFE[REDIS], "LOCATION": location, "OPTIONS": _redis_options(location)}, ""


def _redis_options(location):
    """Up to version 4, redis refuses a time-out for connecting to a unix socket, which takes no time."""
    return {key: value for key, value in REDIS_OPTIONS.items() if key == "socket_timeout" or "unix://" not in str(location)}


def _memcached(view, parts):
    if view.django < (3, 2) or not importlib.util.find_spec("pymemcache"):
        return None, "the package pymemcache is not among the requirements"
    location = parts.netloc.split(",") if parts.netloc else ["unix:" + parts.path]
    location = [each if ":" in each else each + ":11211" for each in location]
    return {"BACKEND": SAFE[MEMCACHED], "LOCATION": location, "OPTIONS": dict(MEMCACHED_OPTIONS)}, ""


def stock_backends_made_safe(view):
    """Django's own Redis and memcached backends raise when their server is gone."""
    caches = view.get("CACHES") or {}
    changed = {}
    for alias, entry in caches.items():
        backend = entry.get("BACKEND") if isinstance(entry, dict) else None
        if backend in SAFE:
            usual = _redis_options(entry.get("LOCATION")) if backend == REDIS else MEMCACHED_OPTIONS
            changed[alias] = {
                **entry,
                "BACKEND": SAFE[backend],
                "OPTIONS": {**usual, **(entry.get("OPTIONS") or {})},
            }
    if changed:
        yield "CACHES", {**caches, **changed}, "a dead cache never takes the site down: failures are misses"
    default = (caches.get("default") or {}).get("BACKEND", "")
    if default == LOCMEM and int(view.policy.get("workers") or 1) > 1:
        yield "CACHES", NOTE, "each process caches for itself; give CACHE_URL or REDIS_URL to share one"


def sessions(view):
    default = (view.get("CACHES") or {}).get("default") or {}
    backend = str(default.get("BACKEND", ""))
    stock = view.get("SESSION_ENGINE") == "django.contrib.sessions.backends.db"
    if stock and not view.sets("SESSION_ENGINE") and backend in SAFE.values():
        yield (
            "SESSION_ENGINE",
            "django.contrib.sessions.backends.cached_db",
            "read from the shared cache, kept in the database",
        )


def django_redis_made_safe(view):
    """It has its own way; what an entry of CACHES says for itself still wins."""
    used = any("django_redis" in str((entry or {}).get("BACKEND")) for entry in (view.get("CACHES") or {}).values())
    if used and not view.sets("DJANGO_REDIS_IGNORE_EXCEPTIONS"):
        yield "DJANGO_REDIS_IGNORE_EXCEPTIONS", True, "a dead cache never takes the site down: failures are misses"
        if not view.sets("DJANGO_REDIS_LOG_IGNORED_EXCEPTIONS"):
            yield "DJANGO_REDIS_LOG_IGNORED_EXCEPTIONS", True, "and are told in the log"


def celery_by_socket(view):
    """One REDIS_URL often serves cache, channels and Celery. All read unix:///path?db=1 but Celery, which has its own name for it."""
    for name, value in list(view.values.items()):
        if CELERY_NAMES.search(name) and isinstance(value, str) and value.startswith("unix://"):
            yield name, celery_url(value), "what Celery calls a Redis on a unix socket"


def celery_url(url):
    head, _, query = url.partition("?")
    options = dict(parse_qsl(query))
    options["virtual_host"] = options.pop("db", "0")
    user, at, path = head[len("unix://") :].rpartition("@")
    return "redis+socket://%s%s%s?%s" % (user, at, path, urlencode(options))


RULES = (cache_from_url, stock_backends_made_safe, django_redis_made_safe, sessions, celery_by_socket)
