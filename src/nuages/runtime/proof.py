"""Each new worker asks its own callable before it accepts, tells the keeper through a file, and waits for its word.

Gunicorn says READY before its workers have loaded anything, and on a held socket a new worker takes traffic at
once: only here, between load and accept, can a release be refused without anybody having seen it.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
import time
import traceback


PATIENCE = 45.0  # seconds for the answer; the keeper's start_timeout bounds the whole start
PAUSE = 0.02


def prove_worker(worker):
    """Gunicorn's post_worker_init."""
    directory = os.environ.get("NUAGES_PROOF")
    if not directory or os.path.exists(os.path.join(directory, "go")):
        return  # a respawned or recycled worker of a generation that has proved itself
    policy = read_policy()
    write_report(directory, ask_aside(worker, policy))
    if not os.environ.get("NUAGES_SOCKET"):  # a socket of its own may be accepted on: no proxy looks at it yet
        wait_for_go(worker, os.path.join(directory, "go"))


def prove_callable(application):
    """The same for a server whose workers have no such hook; called while the worker loads."""
    directory = os.environ.get("NUAGES_PROOF")
    if directory and not os.path.exists(os.path.join(directory, "go")):
        write_report(directory, ask_aside(Loaded(application), read_policy()))


class Loaded:
    """Stands where Gunicorn's worker would."""

    def __init__(self, application):
        self.wsgi = application

    def notify(self):
        pass


def wait_for_go(worker, go):
    """An ASGI worker would see a SIGTERM only once its loop runs, so it is taken here."""
    parent = os.getppid()
    before = signal.signal(signal.SIGTERM, lambda *_args: os._exit(0))  # it never accepted: no request to finish
    while not os.path.exists(go):
        if not worker.alive or os.getppid() != parent:
            os._exit(0)
        worker.notify()
        time.sleep(PAUSE)
    signal.signal(signal.SIGTERM, before)


def read_policy():
    with open(os.path.join(os.environ["NUAGES_RELEASE"], "policy.json"), encoding="utf-8") as file:
        return json.load(file)


def ask_aside(worker, policy):
    """Ask in a thread, so that Gunicorn's watchdog sees a living worker and a hanging view is told as such."""
    from nuages_runtime import proof_request

    answer = {}

    def ask():
        try:
            answer.update(proof_request.prove(getattr(worker, "asgi", None) or worker.wsgi, policy))
        except BaseException as error:
            answer.update(report_exception(error, policy))

    patience = float(policy.get("health", {}).get("timeout", PATIENCE))
    thread = threading.Thread(target=ask, name="nuages-proof", daemon=True)
    started = time.monotonic()
    thread.start()
    while thread.is_alive() and time.monotonic() - started < patience:
        worker.notify()
        thread.join(PAUSE)
    if thread.is_alive():
        path = policy.get("health", {}).get("path", "/")
        return report("timeout", ["GET %s gave no answer within %g seconds" % (path, patience), *_where(thread, policy)])
    return answer


def _where(thread, policy):
    import sys

    frame = sys._current_frames().get(thread.ident)
    if frame is None:
        return []
    place = own_frame(traceback.extract_stack(frame), policy)
    return ["it is at %s:%d in %s" % place] if place else []


def report(kind, lines, **more):
    return dict({"ok": False, "kind": kind, "lines": [line for line in lines if line][:5]}, **more)


def report_exception(error, policy, first=None):
    """At most five lines, of which one names the place in the project's own code."""
    kind = "exception"
    said = "".join(traceback.format_exception_only(type(error), error)).strip().splitlines()
    lines = [first, said[-1] if said else repr(error)]
    if isinstance(error, ModuleNotFoundError):
        kind = "missing-dependency"
        lines.append("no module named %r in the release's environment: is it in the requirements?" % error.name)
    elif isinstance(error, (ImportError, SyntaxError)):
        kind = "import"
    elif isinstance(error, MemoryError):
        kind = "memory"
    if isinstance(error, SyntaxError) and error.filename:
        lines.append("at %s:%s" % (_relative(error.filename, policy), error.lineno))
    else:
        lines.append(template_of(error))
        place = own_frame(traceback.extract_tb(error.__traceback__), policy)
        if place:
            lines.append("at %s:%d in %s" % place)
    return report(kind, lines)


def template_of(error):
    """Which template it happened in: without DEBUG, Django's errors keep the line only."""
    found, line = None, getattr(getattr(error, "token", None), "lineno", None)
    step = error.__traceback__
    while step is not None:
        one = step.tb_frame.f_locals.get("self")
        if type(one).__module__ == "django.template.base" and type(one).__name__ == "Template":
            found = getattr(one, "name", None) or found
        step = step.tb_next
    return found and "in the template %s%s" % (found, ", line %d" % line if line else "")


def own_frame(frames, policy):
    """The innermost frame in the project's own code, else the innermost of all."""
    own = [frame for frame in frames if _is_own(frame.filename, policy)]
    frame = own[-1] if own else frames[-1] if frames else None
    return frame and (_relative(frame.filename, policy), frame.lineno, frame.name)


def _is_own(path, policy):
    root = policy.get("project")
    return bool(root) and path.startswith(root.rstrip("/") + "/") and "/site-packages/" not in path


def _relative(path, policy):
    root = policy.get("project")
    return os.path.relpath(path, root) if root and path.startswith(root.rstrip("/") + "/") else path


def write_report(directory, answer):
    path = os.path.join(directory, "%d.json" % os.getpid())
    with open(path + ".part", "w", encoding="utf-8") as file:
        json.dump(answer, file)
    os.replace(path + ".part", path)


def report_failed_import(error):
    """The callable could not be loaded: Gunicorn will only say that a worker failed to boot."""
    directory = os.environ.get("NUAGES_PROOF")
    if not directory:
        return
    with contextlib.suppress(Exception):
        if not os.path.exists(os.path.join(directory, "go")):
            write_report(directory, report_exception(error, read_policy(), "the project could not be loaded"))
            return
        from nuages_runtime import recording  # a release that is live: nobody stands by

        recording.last_word(error)
