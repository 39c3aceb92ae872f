"""One deploy at a time: a lease on the host with owner, reason, time and expiry, renewed while its holder lives.

On this machine the holder's process is its proof of life. On a server it is the lease: a client that was killed, or a
laptop that was closed, holds nothing two minutes later, and nothing is written under a lease that has gone to another.
Whoever comes from the same machine sees at once that the holder's process has ended, and takes it over.
"""

from __future__ import annotations

import contextlib
import os
import platform
import secrets
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nuages.engine.request import user
from nuages.errors import HostError, LockHeldError, NuagesError
from nuages.hosts.transport import Transport
from nuages.release.layout import Layout


LEASE = 120  # seconds
BEAT = 30  # seconds between renewals; three of them may fail
LOOK = 2  # seconds between tries of one who waits


@contextlib.contextmanager
def deploy_lock(here: Transport, layout: Layout, what: str, *, reason: str = "", wait: float = 0) -> Iterator[str]:
    """Hold the site's lock while the block runs; yields the deploy's token. Raises LockHeldError naming the holder."""
    with lock_and_read(here, layout, what, {}, reason=reason, wait=wait) as (token, _answers):
        yield token


@contextlib.contextmanager
def lock_and_read(
    here: Transport,
    layout: Layout,
    what: str,
    questions: Mapping[str, Mapping[str, Any]],
    spare: Mapping[str, Any] | None = None,
    *,
    reason: str = "",
    wait: float = 0,
    token: str = "",
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Take the lock and, in the same round trip and after it, ask `questions`: the answers hold while the block runs.

    `spare`: questions that need no answer (see Transport.read). `wait`: seconds to wait for somebody else's. `token`: the one to use, where several hosts are locked as one deploy.
    """
    token = token or secrets.token_hex(2)
    lock = {"kind": "lock", "path": str(layout.lock), "token": token, "owner": owner(here, what, reason), "seconds": LEASE}
    answers = _take(here, {"lock": lock, **questions}, spare, layout, time.monotonic() + wait)
    outcome = ""
    try:
        with _beating(here, layout, token):
            yield token, answers
    except BaseException as error:
        outcome = f"failed: {error.what}" if isinstance(error, NuagesError) else "stopped"
        raise
    finally:
        _release(here, layout, token, outcome)


def owner(here: Transport, what: str, reason: str = "") -> dict[str, Any]:
    """Who asks: as the lock and the audit log have it."""
    told = {"user": user(), "host": platform.node(), "pid": os.getpid(), "what": what, "reason": reason}
    return {**told, "remote": True, "counted_in": _processes()} if here.remote else told


def _processes() -> str:
    """Where this machine counts its processes: no other start of a machine and no other container is of this name. Linux."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip() + os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def _has_ended(holder: Mapping[str, Any]) -> bool:
    """Was it a process of this machine, and is there no such process any more?"""
    by = holder.get("owner") or {}
    if not by.get("counted_in") or by["counted_in"] != _processes():
        return False
    try:
        os.kill(int(by["pid"]), 0)
    except ProcessLookupError:
        return True
    except OSError:  # it is another user's
        return False
    return False


def break_lock(here: Transport, layout: Layout, reason: str = "") -> Mapping[str, Any] | None:
    """Take the lock from its holder, whom it returns; None where nobody held it. Raises LockHeldError while steps are
    being carried out: they can't be taken from the host, only waited for."""
    question = {"kind": "break_lock", "path": str(layout.lock), "who": owner(here, "lock --break", reason)}
    answer = here.read({"it": question})["it"]
    if answer.get("writing"):
        raise LockHeldError(
            "its steps are being carried out on the host right now",
            where=str(layout.lock),
            hint="wait until they have ended: nuages lock",
        )
    broken: Mapping[str, Any] | None = answer.get("broken")
    return broken


def locked(here: Transport, layout: Layout) -> Mapping[str, Any]:
    """{"holder", "holds", "writing", "now"}, without "holder" where nobody is. Times are the host's."""
    answer: Mapping[str, Any] = here.read({"it": {"kind": "locked", "path": str(layout.lock)}})["it"]
    return answer


def _take(
    here: Transport, questions: Mapping[str, Mapping[str, Any]], spare: Mapping[str, Any] | None, layout: Layout, until: float
) -> dict[str, Any]:
    asked = questions
    while True:
        answers = here.read(asked, spare)
        if answers["lock"].get("taken"):
            return answers
        if asked is questions and _has_ended(answers["lock"]["holder"]):
            asked = {**questions, "lock": {**questions["lock"], "over": answers["lock"]["holder"]["token"]}}
            until = max(until, time.monotonic() + LEASE)  # a step that it has begun is brought to its end
            continue
        if time.monotonic() >= until:
            raise _held(answers["lock"], layout)
        time.sleep(min(LOOK, max(0.1, until - time.monotonic())))


def _release(here: Transport, layout: Layout, token: str, outcome: str) -> None:
    question = {"kind": "unlock", "path": str(layout.lock), "token": token, "outcome": outcome}
    try:
        here.read({"unlock": question})
    except HostError:
        if not outcome:  # else what went wrong first is what matters, and the lease ends by itself
            raise


@contextlib.contextmanager
def _beating(here: Transport, layout: Layout, token: str) -> Iterator[None]:
    """Renew the lease from a thread. Nobody is told when it fails: the host refuses steps under a lease that is gone."""
    if not here.remote:
        yield
        return
    done = threading.Event()

    def beat() -> None:
        while not done.wait(BEAT):
            with contextlib.suppress(HostError):
                here.read({"it": {"kind": "renew", "path": str(layout.lock), "token": token, "seconds": LEASE}})

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()


def _held(answer: Mapping[str, Any], layout: Layout) -> LockHeldError:
    holder, where = answer["holder"], str(layout.lock)
    by = holder.get("owner", {})
    if not by:
        what = "steps of an earlier command are being carried out on the host"
        return LockHeldError(what, where=where, hint="wait until they have ended: nuages lock")
    minutes = (time.time() - holder.get("since", time.time())) / 60
    why = f" ({by['reason']})" if by.get("reason") else ""
    what = f"{describe(by)} has been running `nuages {by.get('what', 'deploy')}`{why} for {minutes:.0f} min"
    if answer.get("writing"):
        return LockHeldError(
            f"{what}; its steps are being carried out on the host", where=where, hint="wait until they have ended"
        )
    left = max(0, holder.get("expires", 0) - time.time())
    ends = f"{left:.0f} s from now unless it is renewed" if by.get("remote") else "with that process"
    return LockHeldError(what, where=where, hint=f"wait for it; it ends by itself, {ends} (nuages lock tells more)")


def describe(by: Mapping[str, Any]) -> str:
    return f"{by.get('user', 'somebody')} on {by.get('host', 'another machine')} (pid {by.get('pid', '?')})"
