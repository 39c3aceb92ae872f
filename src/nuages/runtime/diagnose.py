"""What the live release can reach from where it stands: its databases, its caches, and which migrations are not applied.

python -m nuages_runtime.diagnose      one JSON object; each question has its own bound, so that one that hangs hides no other
"""

from __future__ import annotations

import json
import os
import sys
import threading


SECONDS = 8.0


def main():
    told = {"settings": "", "databases": {}, "caches": {}, "migrations": None, "problem": ""}
    try:
        import django

        django.setup()
    except BaseException as error:
        told["settings"] = _said(error)
        print(json.dumps(told))
        return
    from django.conf import settings

    for alias in settings.DATABASES:
        if settings.DATABASES[alias].get("ENGINE") not in (None, "", "django.db.backends.dummy"):
            told["databases"][alias] = bounded(lambda alias=alias: _database(alias))
    for alias in settings.CACHES:
        told["caches"][alias] = bounded(lambda alias=alias: _cache(alias))
    if told["databases"] and all(verdict == "ok" for verdict in told["databases"].values()):
        found = {}
        told["problem"] = bounded(lambda: found.update(pending=_pending()), 20.0)
        told["problem"] = "" if told["problem"] == "ok" else told["problem"]
        told["migrations"] = found.get("pending")
    print(json.dumps(told), flush=True)
    os._exit(0)  # a thread that hangs must not hold us up


def bounded(work, seconds=SECONDS):
    verdict = ["no answer within %g s" % seconds]

    def run():
        try:
            work()
            verdict[0] = "ok"
        except BaseException as error:
            verdict[0] = _said(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    return verdict[0]


def _database(alias):
    from django.db import connections

    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT 1")
        cursor.fetchone()


def _cache(alias):
    """The cache itself: ours answers with a miss where the server is down, which would tell nothing."""
    from django.core.cache import caches

    cache = caches[alias]
    cache.set("nuages-doctor", "1", 10)
    if "dummy" not in type(cache).__module__ and cache.get("nuages-doctor") != "1":
        raise RuntimeError("what was put into it is not there")


def _pending():
    from django.db import connections
    from django.db.migrations.executor import MigrationExecutor

    found = []
    for alias in connections:
        executor = MigrationExecutor(connections[alias])
        plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
        found += ["%s.%s" % (migration.app_label, migration.name) for migration, _backwards in plan]
        break  # the default one: others are what their routers say
    return found


def _said(error):
    from .telling import cleansed

    lines = [line for line in str(error).splitlines() if line.strip()] or [""]
    return cleansed("%s: %s" % (type(error).__name__, lines[0]))[:300]


if __name__ == "__main__":
    main()
    sys.stdout.flush()
