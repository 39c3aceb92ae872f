"""What a project wants of a Redis: a cache only, or also a place that keeps what it is told. And what the system packages.

`uses` is a manifest, or what is known of it: `facts` (tasks, channels), `reads` (the variables that the project reads),
`versions`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from nuages.components.contract import Machine


REDIS_NAMES = re.compile(r"(^|_)(REDIS|VALKEY)[A-Z_]*_(URL|URI|DSN|LOCATION)$")
BROKER_NAMES = re.compile(r"(^|_)BROKER(_URL|_URI)?$")
RESULT_NAMES = re.compile(r"(^|_)RESULTS?_BACKEND(_URL|_URI)?$")
OURS = ("redis", "rediss", "unix", "valkey")


def wants_queue(uses: Mapping[str, Any]) -> bool:
    """Does the project keep in Redis what must not be lost? Its variables say so, or what its tasks go through."""
    facts = uses.get("facts") or {}
    tasks = facts.get("tasks") or {}
    layers = str((facts.get("channels") or {}).get("layers") or "").lower()
    return (
        any(REDIS_NAMES.search(name) for name in uses.get("reads") or ())
        or any("redis" in str(found).lower() or "rq" in name for name, found in tasks.items())
        or celery_is_ours(tasks)
        or "redis" in layers
    )


def celery_is_ours(tasks: Mapping[str, Any]) -> bool:
    """A Celery app whose broker is Redis, or that has none; not one that names RabbitMQ, SQS or memory."""
    celery = tasks.get("celery") or {}
    broker = str(celery.get("broker") or "")
    return bool(celery.get("app")) and (not broker or broker.startswith(OURS))


def celery_names(uses: Mapping[str, Any]) -> tuple[str, ...]:
    """Variables that hold Celery's URLs. Celery itself reads CELERY_BROKER_URL, whatever its app was given."""
    tasks = (uses.get("facts") or {}).get("tasks") or {}
    if not celery_is_ours(tasks):
        return ()
    reads = tuple(uses.get("reads") or ())
    results = str(tasks["celery"].get("result_backend") or "").startswith(OURS)
    names = {"CELERY_BROKER_URL", *(name for name in reads if BROKER_NAMES.search(name))}
    return tuple(sorted(names | {name for name in reads if results and RESULT_NAMES.search(name)}))


def cache_name(machine: Machine) -> str:
    """What services.cache = "auto" means: Valkey where the system packages it, else Redis."""
    least = {"debian": 13, "ubuntu": 25}.get(machine.os, 0)
    return "valkey" if least and _number(machine.os_version) >= least else "redis"


def _number(version: str) -> int:
    first = version.partition(".")[0]
    return int(first) if first.isdigit() else 0
