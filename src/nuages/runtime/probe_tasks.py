"""Which background workers the project uses: what they are and how they are started."""

from __future__ import annotations

import importlib
import importlib.util
import sys


def collect():
    found = {}
    for name, look in (
        ("celery", celery),
        ("django_q", django_q),
        ("huey", huey),
        ("rq", rq),
        ("dramatiq", dramatiq),
        ("django_tasks", django_tasks),
        ("procrastinate", procrastinate),
        ("background_task", background_task),
        ("apscheduler", apscheduler),
    ):
        try:
            answer = look()
        except Exception as error:
            answer = {"error": "%s: %s" % (type(error).__name__, error)}
        if answer:
            found[name] = answer
    return found


def settings():
    from django.conf import settings as configured

    return configured


def used(app):
    from django.apps import apps

    return apps.is_installed(app)


def celery():
    if "celery" not in sys.modules:
        return {}
    places = celery_apps()
    if not places:
        return {}
    module, attribute, app = places[0]
    schedule = app.conf.beat_schedule or {}
    scheduler = str(app.conf.beat_scheduler or "")
    return {
        "app": module,
        "attribute": attribute,
        "others": sorted({place[0] for place in places[1:]}),
        "beat": bool(schedule) or used("django_celery_beat") or "redbeat" in scheduler,
        "schedule": sorted(str(name) for name in schedule)[:50],
        "scheduler": "django_celery_beat.schedulers:DatabaseScheduler"
        if used("django_celery_beat") and "Database" not in scheduler
        else "",
        "broker": mask(str(app.conf.broker_url or "")),
        "result_backend": mask(str(app.conf.result_backend or "")),
        "always_eager": bool(app.conf.task_always_eager),
        "queues": sorted(str(q.name) for q in (app.conf.task_queues or ()) if hasattr(q, "name")),
        "tasks": len([t for t in app.tasks if not t.startswith("celery.")]),
    }


def celery_apps():
    """(module, attribute, app) of every Celery object held by a module that is not Celery's own; packages first, since
    `celery -A shop` is what people write."""
    from celery import Celery

    found = []
    for name, module in list(sys.modules.items()):
        if name.split(".")[0] in ("celery", "kombu", "nuages_runtime") or module is None:
            continue
        for attribute, value in list(getattr(module, "__dict__", {}).items()):
            if type(value).__name__ in ("PromiseProxy", "Proxy") or not isinstance(value, Celery):
                continue
            if value.main != "default" or attribute in ("app", "celery", "celery_app"):
                found.append((name, attribute, value))
    return sorted(
        found,
        key=lambda place: (
            in_site_packages(place[0]),
            not startable(place[0]),
            place[0].count("."),
            place[0],
        ),
    )


def startable(name):
    return name.endswith(("celery", "celery_app", "celeryapp")) or hasattr(sys.modules[name], "__path__")


def in_site_packages(name):
    return "site-packages" in str(getattr(sys.modules[name], "__file__", "") or "")


def mask(url):
    head, at, tail = url.rpartition("@")
    return "%s://***@%s" % (head.split("://")[0], tail) if at else url


def django_q():
    if not used("django_q"):
        return {}
    cluster = getattr(settings(), "Q_CLUSTER", {}) or {}
    broker = next(
        (key for key in ("redis", "sqs", "iron_mq", "mongo", "orm", "disque_nodes") if key in cluster),
        "redis",
    )
    return {"workers": cluster.get("workers"), "broker": broker, "name": cluster.get("name")}


def huey():
    if not (used("huey.contrib.djhuey") or used("bx_django_utils.huey") or used("huey_monitor")):
        return {}
    config = getattr(settings(), "HUEY", None)
    if isinstance(config, dict):
        immediate = config.get("immediate", settings().DEBUG)
        return {"class": config.get("huey_class", "huey.RedisHuey"), "immediate": bool(immediate)}
    return {"class": type(config).__name__, "immediate": bool(getattr(config, "immediate", False))}


def rq():
    if not used("django_rq"):
        return {}
    queues = getattr(settings(), "RQ_QUEUES", {}) or {}
    return {
        "queues": list(queues),
        "scheduler": used("scheduler") or importlib.util.find_spec("rq_scheduler") is not None,
        "async": all(q.get("ASYNC", True) for q in queues.values()),
    }


def dramatiq():
    if not used("django_dramatiq"):
        return {}
    return {"broker": (getattr(settings(), "DRAMATIQ_BROKER", {}) or {}).get("BROKER", "")}


# Backend path (django.tasks' and the django-tasks package's) -> the command that works its queue off, "" where none is needed.
TASK_COMMANDS = {
    "immediate": "",
    "dummy": "",
    "database": "db_worker",
    "django_tasks_db": "db_worker",
    "rq": "rqworker",
    "django_tasks_rq": "rqworker",
    "local": "",
}


def django_tasks():
    backends = {alias: (config or {}).get("BACKEND", "") for alias, config in (getattr(settings(), "TASKS", None) or {}).items()}
    if all(backend.endswith("ImmediateBackend") for backend in backends.values()):
        return {}  # Django's own default: tasks run where they are asked for
    from django.core.management import get_commands

    known = get_commands()
    commands = sorted(
        {
            command
            for backend in backends.values()
            for word, command in TASK_COMMANDS.items()
            if word in backend.lower() and command in known
        }
    )
    return {"backends": backends, "commands": commands}


def procrastinate():
    return {"used": True} if used("procrastinate.contrib.django") else {}


def background_task():
    return {"used": True} if used("background_task") else {}


def apscheduler():
    return {"used": True} if used("django_apscheduler") else {}
