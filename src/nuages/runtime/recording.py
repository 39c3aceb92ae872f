"""Every error that is logged is counted in the site's book, and one of each kind is kept with its traceback.

Nothing of it is done in the way of a request but a look-up and a count: a thread of each process writes the book once a second,
and another sends mail. A kind is the type of the exception and the functions that it came through, of the project where it was
in the project; line numbers change with every release, and are left out.
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import logging
import os
import socket
import sys
import threading
import time
import traceback


EVERY = 1.0  # seconds between two writes
KINDS = 200  # that a process keeps between two writes; more are counted together
SAMPLES = 5  # tracebacks between two writes, and of each kind one in so many seconds:
AGAIN = 60.0
LOOK = 30.0  # seconds between two looks at whether it is time to tell what was left out
DEEPEST = 20
REMEMBERED = 2000
TERSE = ("django.security.DisallowedHost",)  # anybody can make these happen
OVERFLOW = ("overflow", "too many kinds", "", "more kinds of error than are told apart within a second")


def folder():
    """SITE/errors, where this process is one of the site's own; a command that somebody typed shows its errors itself."""
    release = os.environ.get("NUAGES_RELEASE", "")
    if not release or not os.environ.get("NUAGES_GENERATION"):
        return ""
    return os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(release))), "errors")


class ErrorHandler(logging.Handler):
    """Of the settings' LOGGING. Silent outside the site's own processes."""

    def __init__(self, level=logging.ERROR):
        super().__init__(level)

    def emit(self, record):
        if recorder is None or getattr(record, "nuages_counted", False) or record.name in TERSE:
            return
        record.nuages_counted = True  # a logger that does not propagate may hand it to us twice
        try:
            recorder.take(record)
        except Exception:
            self.handleError(record)


class Recorder:
    def __init__(self, book, facts, teller, clock=time.time, proof=""):
        self.book = book
        self.facts = facts  # release, build, host, process
        self.teller = teller  # sends mail, and may take its time
        self.clock = clock
        self.proof = os.path.join(proof, "go") if proof else ""  # a release that is refused is told of by its deploy
        self.sampled = {}  # id -> when a traceback of it was kept
        self.known = {}  # functions by their identity -> (kind, what keeps them alive)
        self.reset()

    def reset(self):
        """Also in a child after a fork, which has the parent's values and none of its threads."""
        self.lock = threading.RLock()
        self.found, self.traces = {}, []
        self.outbox, self.samples = {}, []
        self.threads = {}
        self.wake, self.ring = threading.Event(), threading.Event()

    # --- in the way of a request -----------------------------------------------------------------------------

    def take(self, record):
        if self.proof and not self.proved():
            return
        error = record.exc_info[1] if record.exc_info else None
        ident, name, where = self.kind(record, error)[:3]
        now = self.clock()
        with self.lock:
            one = self.found.get(ident)
            if one is None and len(self.found) >= KINDS:
                ident, name, where = OVERFLOW[:3]
                one = self.found.get(ident)
            if one is None:
                message = OVERFLOW[3] if ident == OVERFLOW[0] else _said(record, error)
                told = {"count": 0, "first": now, "type": name, "where": where, "message": message[:300]}
                one = self.found[ident] = dict(self.facts, **told)
            one["count"] += 1
            one["last"] = now
            wanted = len(self.traces) < SAMPLES and now - self.sampled.get(ident, 0) > AGAIN
            if wanted:
                self.sampled = self.sampled if len(self.sampled) < REMEMBERED else {}
                self.sampled[ident] = now
        if wanted:
            trace = self.sample(ident, record, now)
            with self.lock:
                self.traces.append(trace)
        self.begin()

    def kind(self, record, error):
        """(id, type, where)"""
        if error is None:
            where = "%s in %s" % (record.funcName, _short(record.pathname))
            return _digest("log", record.name, str(record.msg), where), record.name, where
        codes = []
        step = error.__traceback__
        while step is not None:
            codes.append(step.tb_frame.f_code)
            step = step.tb_next
        key = (type(error), *map(id, codes))
        known = self.known.get(key)
        if known is None:
            if len(self.known) > REMEMBERED:
                self.known.clear()
            known = self.known[key] = (*_kind_of(type(error), codes), codes)
        return known

    def sample(self, ident, record, now):
        from . import telling

        if record.exc_info:
            text = "".join(traceback.format_exception(*record.exc_info, limit=-60))
        else:
            text = record.getMessage() + ("\n" + record.stack_info if record.stack_info else "")
        return dict(self.facts, id=ident, at=now, logger=record.name, **telling.request_of(record), text=telling.cleansed(text))

    def proved(self):
        if os.path.exists(self.proof):
            self.proof = ""
        return not self.proof

    # --- beside it -------------------------------------------------------------------------------------------

    def begin(self):
        if not self.wake.is_set():
            self._see_to("nuages-errors", self.write)
            self.wake.set()

    def _see_to(self, name, work):
        thread = self.threads.get(name)
        if thread is None or not thread.is_alive():
            with self.lock:
                if self.threads.get(name) is thread:
                    self.threads[name] = threading.Thread(target=work, name=name, daemon=True)
                    with contextlib.suppress(RuntimeError):  # the interpreter is about to end: `close` does it
                        self.threads[name].start()

    def write(self):
        while True:
            self.wake.wait()
            self.wake.clear()
            self.flush()
            time.sleep(EVERY)

    def flush(self):
        with self.lock:
            found, self.found = self.found, {}
            traces, self.traces = self.traces, []
        if not found:
            return
        try:
            for ident in self.book.add(found, traces):
                found[ident]["fresh"] = True  # told though it was told before: it had been resolved
        except OSError as error:  # a full disk; the log has them
            print("nuages: errors are not counted: %s" % error, file=sys.stderr, flush=True)
        with self.lock:
            for ident, one in found.items():
                before = self.outbox.get(ident)
                self.outbox[ident] = (
                    {**before, **one, "count": before["count"] + one["count"], "first": before["first"]} if before else one
                )
            self.samples = [*self.samples, *traces][-KINDS:]
        self.mind()

    def mind(self):
        self._see_to("nuages-mail", self.mail)
        self.ring.set()

    def mail(self):
        """In a thread of its own: a mail server may take its time, and counting goes on meanwhile."""
        while True:
            self.ring.wait(LOOK if self.teller.waits() else None)
            self.ring.clear()
            self.teller.tell(*self.taken())
            time.sleep(EVERY)

    def taken(self):
        with self.lock:
            found, self.outbox = self.outbox, {}
            samples, self.samples = self.samples, []
        return found, samples

    def close(self):
        """At the end of the process. One that serves leaves mail to its successor rather than holding up a deploy."""
        self.flush()
        self.teller.tell(*self.taken(), late=bool(os.environ.get("NUAGES_PROOF")))


def _kind_of(error, codes):
    own = [code for code in codes if _is_project(code.co_filename)] or codes
    names = []
    for code in own:
        name = "%s in %s" % (getattr(code, "co_qualname", code.co_name), _short(code.co_filename))
        if not names or names[-1] != name:  # recursion is one kind, however deep
            names.append(name)
    type_name = error.__qualname__ if error.__module__ == "builtins" else "%s.%s" % (error.__module__, error.__qualname__)
    return _digest(type_name, *names[-DEEPEST:]), type_name, names[-1] if names else ""


def _is_project(path):
    return (
        "site-packages" not in path and "nuages_runtime" not in path and not path.startswith(("<", sys.prefix, sys.base_prefix))
    )


def _short(path):
    """As it is in every release: below the project, below site-packages, else its last parts."""
    for mark in ("/site-packages/", "/source/"):
        if mark in path:
            return path.rpartition(mark)[2]
    return "/".join(path.split("/")[-2:])


def _digest(*parts):
    return hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()[:10]


def _said(record, error):
    """Once a second for each kind: to look for secrets in every message would cost more than all the rest."""
    from . import telling

    try:
        text = " ".join((record.getMessage() if error is None else str(error)).split())
    except Exception:
        text = "(its message can't be read)"
    return telling.cleansed(text[:1000])


# --- of this process -----------------------------------------------------------------------------------------

recorder = None


def connect(policy):
    """Once the settings are loaded; nothing where errors of this process are nobody else's business."""
    global recorder  # noqa: PLW0603 - one for each process
    place = folder()
    if recorder is not None or not place or policy.get("phase") not in (None, "serve"):
        return
    from . import telling
    from .errorbook import Book

    facts = {
        "release": int(policy.get("number") or 0),
        "build": policy.get("build") or "",
        "host": socket.gethostname(),
        "process": telling.process_name(),
    }
    book = Book(place)
    recorder = Recorder(book, facts, telling.Teller(book, policy), proof=os.environ.get("NUAGES_PROOF", ""))
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=recorder.reset)
    if recorder.teller.waits():  # left by a process that is no more
        recorder.mind()
    _at_end()
    _watch_uncaught()
    _follow_django()
    _stay_with_celery()


def _at_end():
    """Children of multiprocessing, as Granian's workers are, run no atexit."""
    from multiprocessing import util

    atexit.register(recorder.close)
    util.Finalize(None, recorder.close, exitpriority=100)


def _watch_uncaught():
    before = sys.excepthook

    def hook(kind, error, trace):
        if issubclass(kind, Exception):
            with contextlib.suppress(Exception):
                take_error(error)
        before(kind, error, trace)

    sys.excepthook = hook


def take_error(error):
    """One that nobody logs, for it ends the process."""
    if recorder is not None:
        place = ("uncaught", logging.ERROR, "", 0, "uncaught", (), (type(error), error, error.__traceback__))
        recorder.take(logging.LogRecord(*place))


def last_word(error):
    """Of a process that can't begin: counted and told before it ends."""
    if recorder is not None:
        take_error(error)
        recorder.flush()
        recorder.teller.tell(*recorder.taken())


def _follow_django():
    """Behind the project's own LOGGING, whatever it is: beside its handlers, and in place of Django's that mails each error
    while the request waits. `django.setup()` configures logging between loading the settings, where we are, and the apps."""
    from django.apps import apps

    populate = apps.populate

    def populated(*words, **named):
        attach()
        apps.populate = populate
        return populate(*words, **named)

    apps.populate = populated


def attach():
    ours = ErrorHandler()
    for logger in _loggers():
        logger.handlers[:] = [each for each in logger.handlers if not _mails(each)]
        ends = logger is logging.root or (not logger.propagate and logger.handlers)
        if ends and not any(isinstance(each, ErrorHandler) for each in logger.handlers):
            logger.addHandler(ours)


def _loggers():
    named = [each for each in list(logging.root.manager.loggerDict.values()) if isinstance(each, logging.Logger)]
    return [logging.root, *named]


def _mails(handler):
    """One of the project's own making is its own business."""
    return type(handler).__module__ == "django.utils.log" and type(handler).__name__ == "AdminEmailHandler"


def _stay_with_celery():
    """A worker of Celery takes all handlers off the root logger before it puts its own there."""
    signals = sys.modules.get("celery.signals")
    if signals is not None:
        signals.after_setup_logger.connect(_again, weak=False)


def _again(logger=None, **_):
    attach()
