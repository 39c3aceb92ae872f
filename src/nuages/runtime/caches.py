"""Caches that may die: their failures become misses. Stands alone: `nuages settings eject` copies it into projects.

Django's Redis and memcached backends raise when their server is gone, and take every page that caches with them.
Measured with each server killed, hung and cut off: no failed request.
"""

from __future__ import annotations

import functools
import logging
import time


logger = logging.getLogger("nuages.cache")
QUIET_SECONDS = 30
REST_SECONDS = 1  # after a failure the server is not asked for that long: a hang costs one time-out, not one per key
_last = {"told": 0.0}
_resting = {}  # server -> until when; shared by threads, so that a hang costs one of them

# What a method answers when the cache does not.
MISSES = {
    "add": False,
    "set": None,
    "touch": False,
    "delete": False,
    "incr": None,
    "has_key": False,
    "clear": None,
    "get_many": {},
    "set_many": [],
    "delete_many": None,
}


def _told(error):
    if time.monotonic() - _last["told"] > QUIET_SECONDS or not _last["told"]:
        _last["told"] = time.monotonic()
        logger.warning("the cache does not answer, going on without it: %s", type(error).__name__)


def _safe(name, method, failures):
    @functools.wraps(method)
    def call(self, *args, **kwargs):
        server = str(getattr(self, "_servers", ""))
        if time.monotonic() < _resting.get(server, 0):
            return _miss(name, args, kwargs)
        try:
            return method(self, *args, **kwargs)
        except failures() as error:
            _resting[server] = time.monotonic() + REST_SECONDS
            _told(error)
            return _miss(name, args, kwargs)

    return call


def _miss(name, args, kwargs):
    if name == "get":
        return kwargs.get("default", args[1] if len(args) > 1 else None)
    if name == "incr":
        raise ValueError("the cache does not answer")  # what a missing key raises
    if name == "set_many":
        return list(args[0] if args else kwargs.get("data", ()))
    answer = MISSES[name]
    return dict(answer) if isinstance(answer, dict) else answer


def _made_safe(base, failures):
    methods = {name: _safe(name, getattr(base, name), failures) for name in ("get", *MISSES) if hasattr(base, name)}
    return type("Safe", (base,), methods)


class AskOnce:
    """redis tries a lost server again for seconds, by itself: the page would wait that long for a miss."""

    def __init__(self, server, params):
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        options = {"retry": Retry(NoBackoff(), 0), **(params.get("OPTIONS") or {})}
        super().__init__(server, {**params, "OPTIONS": options})


def _redis_failures():
    import redis

    return (redis.exceptions.RedisError, OSError)


def _memcached_failures():
    import pymemcache.exceptions

    # RuntimeError: the pool is exhausted while connections hang.
    return (pymemcache.exceptions.MemcacheError, OSError, RuntimeError)


def __getattr__(name):
    """Made when asked for: each needs a package that the other's projects don't have."""
    if name == "SafeRedisCache":
        from django.core.cache.backends.redis import RedisCache

        made = _made_safe(type("Once", (AskOnce, RedisCache), {}), _redis_failures)
    elif name == "SafeMemcached":
        from django.core.cache.backends.memcached import PyMemcacheCache

        made = _made_safe(PyMemcacheCache, _memcached_failures)
    else:
        raise AttributeError(name)
    globals()[name] = made
    return made
