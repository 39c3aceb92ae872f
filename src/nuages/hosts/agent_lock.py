"""The agent's part in the lock: a lease that is taken, renewed, broken and given back, and the log of who held it. Stdlib only,
Python 3.9+.

It is sent beside agent.py and loaded into a namespace of its own when something of it is asked for.
"""

import json
import os
import signal
import time

from agent import BEFORE, CALLER, JOURNAL_SIZE, READS, _alone, _append, mark, now, read_json, read_text, write_file


def read_lock(path, token, owner, seconds, over=""):
    """Take the deploy lock, or say who holds it. A holder whose process on this machine has ended holds nothing,
    once the steps that its agent goes on with have ended too; one on another machine holds as long as its lease, unless
    whoever asks knows that it has ended: `over` is its token."""
    mine = {"token": token, "owner": owner, "since": time.time(), "expires": time.time() + seconds}
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with _alone(path + ".guard"):
        holder = read_json(path) or {}
        if holder.get("token") != token:
            writing = _is_writing(os.path.dirname(path))
            if writing or (_holds(holder) and holder["token"] != over):
                return {"holder": holder, "writing": writing}
            if holder:
                audit(path, "ended by itself", holder, outcome=_outcome(holder))
        _sweep(path)
        BEFORE[os.path.dirname(path)] = mark(os.path.dirname(path))
        write_file(path, json.dumps(mine))
        audit(path, "taken", mine)
    return {"taken": True}


def _sweep(path):
    """Whoever writes the lock has the guard, so what lies half-written beside it is of somebody who was killed."""
    begin = os.path.basename(path) + "."
    for name in os.listdir(os.path.dirname(path)):
        if name.startswith(begin) and name.endswith(".partial"):
            os.unlink(os.path.join(os.path.dirname(path), name))


def read_renew(path, token, seconds):
    with _alone(path + ".guard"):
        holder = read_json(path) or {}
        if holder.get("token") != token:
            return {"held": False}
        write_file(path, json.dumps({**holder, "expires": time.time() + seconds}))
    return {"held": True}


def read_break_lock(path, who):
    """Take the lock from its holder, unless steps of its are being carried out. `who`: an owner, for the audit log."""
    if not os.path.exists(path):
        return {}
    with _alone(path + ".guard"):
        holder = read_json(path) or {}
        if _is_writing(os.path.dirname(path)):
            return {"holder": holder, "writing": True}
        os.unlink(path)
        audit(path, "broken", {**holder, "owner": who}, outcome=_outcome(holder), held_by=holder.get("owner", {}).get("user", ""))
    return {"broken": holder}


def read_locked(path):
    """Who holds the lock now, without taking it."""
    holder = read_json(path)
    writing = os.path.isdir(os.path.dirname(path)) and _is_writing(os.path.dirname(path))
    if not holder:
        return {"writing": writing, "now": time.time()}
    return {"holder": holder, "writing": writing, "holds": writing or _holds(holder), "now": time.time()}


def _is_writing(dir):
    try:
        with _alone(os.path.join(dir, "writing"), wait=False):
            return False
    except BlockingIOError:
        return True


def _holds(holder):
    """A process of this machine holds as long as it lives, one elsewhere until its lease ends."""
    owner = holder.get("owner") or {}
    if owner.get("remote") or owner.get("host") != os.uname().nodename or not owner.get("pid"):
        return holder.get("expires", 0) > time.time()
    try:
        os.kill(owner["pid"], 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return True


def read_unlock(path, token, outcome=""):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with _alone(path + ".guard"):
        holder = read_json(path) or {}
        if holder.get("token") == token:
            os.unlink(path)
            audit(path, "released", holder, outcome=outcome or _outcome(holder))
    return {}


def _outcome(holder):
    steps = holder.get("steps", 0)
    return "%d step%s" % (steps, "" if steps == 1 else "s") if steps else "nothing changed"


def audit(lock, event, holder, **more):
    """One line more in the log of who did what, beside the lock. A full disk does not stop the work."""
    owner = holder.get("owner", {})
    line = {
        "at": now(),
        "event": event,
        "deploy": holder.get("token", ""),
        "who": owner.get("user", ""),
        "as": CALLER.get("as", ""),
        "from": CALLER.get("from", ""),
        "host": owner.get("host", ""),
        "what": owner.get("what", ""),
        "reason": owner.get("reason", ""),
        **more,
    }
    try:
        _append(os.path.join(os.path.dirname(lock), "audit.jsonl"), line, rotate=True)
    except OSError:
        pass


def read_audit(path, limit=100):
    """The last lines of the audit log, oldest first."""
    text = (read_text(path + ".1", -JOURNAL_SIZE) or "") + (read_text(path, -JOURNAL_SIZE) or "")
    found = []
    for line in text.splitlines()[-limit:]:
        try:
            found.append(json.loads(line))
        except ValueError:  # a line that a power loss cut in two
            pass
    return found


def read_cancel(journal):
    """Stop the steps that are being carried out: the one under way fails, and what was done is taken back."""
    path = os.path.join(os.path.dirname(journal), "writing")
    if not os.path.exists(path) or not _is_writing(os.path.dirname(journal)):
        return {"stopped": False}
    pid = (read_text(path) or "").strip()
    if not pid.isdigit():
        return {"stopped": False}
    os.kill(int(pid), signal.SIGTERM)
    return {"stopped": True}


READS.update(
    {
        "lock": read_lock,
        "unlock": read_unlock,
        "renew": read_renew,
        "locked": read_locked,
        "break_lock": read_break_lock,
        "audit": read_audit,
        "cancel": read_cancel,
    }
)
