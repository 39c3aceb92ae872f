"""A PostgreSQL that restarts keeps a page waiting for a second or two, and does not fail it.

An update of its package restarts it, and so may a change of its settings. Only connecting waits: what was running when
the server went is lost, and is not done again. A server that stays away is waited for once; for a while after that it
is an error at once, so that no worker fills with waiting requests.
"""

from __future__ import annotations

import functools
import logging
import threading
import time


logger = logging.getLogger("nuages.database")
PATIENCE, PAUSE, REST = 8.0, 0.1, 10.0  # seconds
# As libpq and the server say it in English, which is what our units run in.
RESTARTING = (
    "Connection refused",
    "No such file or directory",
    "the database system is starting up",
    "the database system is shutting down",
    "the database system is not yet accepting connections",
    "server closed the connection unexpectedly",
    "terminating connection due to administrator command",
)
_away_until = {}  # alias -> until when nobody waits for it
_here = threading.local()  # `hurried`: this thread asks whether the database answers now


def install():
    """Once for a process; a project without Django's databases has nothing to be patient with."""
    try:
        from django.db.backends.base.base import BaseDatabaseWrapper
    except ImportError:
        return
    if not getattr(BaseDatabaseWrapper.connect, "is_patient", False):
        BaseDatabaseWrapper.connect = patient(BaseDatabaseWrapper.connect)


def hurry():
    """This thread waits for no database: it is asked how things stand."""
    _here.hurried = True


def is_hurried():
    return getattr(_here, "hurried", False)


def patient(connect):
    @functools.wraps(connect)
    def waiting(self):
        until = time.monotonic() + PATIENCE
        told = False
        while True:
            try:
                connect(self)
            except Exception as error:
                if is_hurried() or not is_restarting(self, error):
                    raise
                if time.monotonic() < _away_until.get(self.alias, 0):
                    raise
                if time.monotonic() >= until:
                    _away_until[self.alias] = time.monotonic() + REST
                    raise
            else:
                _away_until.pop(self.alias, None)
                return
            if not told:
                told = True
                logger.warning("the database %r does not answer, waiting for it", self.alias)
            time.sleep(PAUSE)

    waiting.is_patient = True
    return waiting


def is_restarting(connection, error):
    """Wrong passwords, unknown databases and full servers are none of it."""
    return connection.vendor == "postgresql" and any(words in str(error) for words in RESTARTING)
