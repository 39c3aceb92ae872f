"""One deploy at a time: a lease on the host with owner, time and expiry."""

from __future__ import annotations

import contextlib
import os
import platform
import secrets
import time
from collections.abc import Iterator, Mapping
from typing import Any

from nuages.engine.request import user
from nuages.errors import LockHeldError
from nuages.hosts.transport import Transport
from nuages.release.layout import Layout


LEASE = 1800


@contextlib.contextmanager
def deploy_lock(here: Transport, layout: Layout, what: str) -> Iterator[str]:
    """Hold the site's lock while the block runs; yields the deploy's token. Raises LockHeldError naming the holder."""
    with lock_and_read(here, layout, what, {}) as (token, _answers):
        yield token


@contextlib.contextmanager
def lock_and_read(
    here: Transport, layout: Layout, what: str, questions: Mapping[str, Mapping[str, Any]]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Take the lock and, in the same round trip and after it, ask `questions`: the answers hold while the block runs."""
    token = secrets.token_hex(2)
    owner = {"user": user(), "host": platform.node(), "pid": os.getpid(), "what": what}
    lock = {"kind": "lock", "path": str(layout.lock), "token": token, "owner": owner, "seconds": LEASE}
    answers = here.read({"lock": lock, **questions})
    if not answers["lock"].get("taken"):
        raise _held(answers["lock"]["holder"], layout)
    try:
        yield token, answers
    finally:
        here.read({"unlock": {"kind": "unlock", "path": str(layout.lock), "token": token}})


def _held(holder: Mapping[str, Any], layout: Layout) -> LockHeldError:
    owner = holder.get("owner", {})
    minutes = (time.time() - holder.get("since", time.time())) / 60
    left = (holder.get("expires", time.time()) - time.time()) / 60
    who = f"{owner.get('user', 'somebody')} on {owner.get('host', 'another machine')} (pid {owner.get('pid', '?')})"
    return LockHeldError(
        f"{who} has been running `nuages {owner.get('what', 'deploy')}` for {minutes:.0f} min",
        where=str(layout.lock),
        hint=f"wait for it; the lock ends by itself in {max(0, left):.0f} min",
    )
