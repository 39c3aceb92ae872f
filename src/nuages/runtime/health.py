"""`/-/live`: this process answers. `/-/ready`: and its databases do. Any host, plain http, never through Django's middleware.

A cache that is down does not count: the site answers without it.
"""

from __future__ import annotations

import contextlib
import threading

from nuages_runtime import patient
from nuages_runtime.response import of_json


LIVE, READY = "/-/live", "/-/ready"
PATIENCE = 2.0


class Health:
    def __init__(self, policy):
        self.release = {"release": policy.get("number"), "build": policy.get("build")}
        self.asking = {}  # one look at a time for each database: a hanging one must not collect threads

    def answer(self, method, path, environ):
        if path == LIVE:
            return of_json(200, dict(self.release, status="ok"), method)
        if path != READY:
            return None
        databases = self.look()
        ok = all(verdict == "ok" for verdict in databases.values())
        value = dict(self.release, status="ok" if ok else "unavailable", databases=databases)
        return of_json(200 if ok else 503, value, method)

    def look(self):
        from django.db import connections

        looks = {alias: self._ask(alias) for alias in connections if _is_real(connections[alias])}
        for look in looks.values():
            look.join(PATIENCE)
        return {alias: look.verdict for alias, look in looks.items()}

    def _ask(self, alias):
        look = self.asking.get(alias)
        if look is None or not look.is_alive():
            look = self.asking[alias] = Look(alias)
            look.start()
        return look


class Look(threading.Thread):
    """Its own thread, hence its own connection, which it closes; a server that hangs is told as `no answer`."""

    def __init__(self, alias):
        super().__init__(name="nuages-ready-" + alias, daemon=True)
        self.alias = alias
        self.verdict = "no answer"

    def run(self):
        from django.db import connections

        patient.hurry()
        try:
            with connections[self.alias].cursor() as cursor:
                cursor.execute("SELECT 1")
                cursor.fetchone()
            self.verdict = "ok"
        except Exception as error:
            self.verdict = type(error).__name__
        finally:
            with contextlib.suppress(Exception):
                connections[self.alias].close()


def _is_real(connection):
    return connection.settings_dict.get("ENGINE") not in (None, "", "django.db.backends.dummy")
