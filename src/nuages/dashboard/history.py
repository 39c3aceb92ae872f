"""From the journal and the audit log, what each deploy was: who, when, its plan and how every step of it went. Pure.

The site's own page is made with this file too, by the host's Python (3.9 and newer): standard library only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any


SHOWN = 60  # deploys
RELEASE = re.compile(r"release v(\d+):")
STEP = re.compile(r"(\S) (\S+)  (.*)", re.DOTALL)
ENDED = ("released", "broken", "ended by itself")


def deploys(journal: str, audit: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Newest first. What holds the lock only to read (a plan, a question) changed nothing and is left out, unless it failed."""
    found: dict[str, dict[str, Any]] = {}
    for entry in audit:
        _audited(found, entry)
    for line in lines_of(journal):
        one = found.get(line.get("deploy", ""))
        if one is None and line.get("state") == "begin" and line.get("deploy"):
            one = found[line["deploy"]] = _begun(line["deploy"], line["at"])
        if one is not None:
            _journalled(one, line)
    told = [_told(one) for one in found.values()]
    kept = [one for one in told if one["steps"] or one["state"] in ("failed", "running")]
    return sorted(kept, key=lambda one: str(one["at"]), reverse=True)[:SHOWN]


def lines_of(text: str) -> Iterable[dict[str, Any]]:
    for line in text.splitlines():
        try:
            found = json.loads(line)
        except ValueError:  # the first was cut by where we began to read
            continue
        if isinstance(found, dict):
            yield found


def _begun(token: str, at: str) -> dict[str, Any]:
    return {"id": token, "at": at, "what": "", "who": "", "machine": "", "reason": "", "outcome": "", "ended": "", "steps": {}}


def _audited(found: dict[str, dict[str, Any]], entry: Mapping[str, Any]) -> None:
    token, at, event = str(entry.get("deploy", "")), str(entry.get("at", "")), entry.get("event")
    if event == "taken":
        machine = str(entry.get("host", "")) + (f" ({entry['from']})" if entry.get("from") else "")
        who = {"what": entry.get("what", ""), "who": entry.get("who", ""), "reason": entry.get("reason", "")}
        found[token] = {**_begun(token, at), **who, "machine": machine}
    elif event in ENDED and token in found:
        words = [str(entry.get("outcome", "")), "" if event == "released" else str(event)]
        found[token] |= {"ended": at, "outcome": "; ".join(filter(None, words)), "by_itself": event != "released"}


def _journalled(one: dict[str, Any], line: Mapping[str, Any]) -> None:
    text, state = str(line.get("step", "")), line.get("state")
    match = STEP.match(text)
    step = one["steps"].setdefault(text, {"symbol": "", "host": "", "what": text, "state": "", "seconds": 0.0, "error": ""})
    if match:
        step |= {"symbol": match[1], "host": match[2], "what": match[3]}
    step["state"] = {"begin": "running", "done": "done", "failed": "failed", "undone": "undone"}.get(str(state), str(state))
    step["seconds"] = line.get("seconds", step["seconds"])
    step["error"] = str(line.get("error", step["error"]))
    if not one["ended"]:
        one["last"] = line.get("at", "")


def _told(one: Mapping[str, Any]) -> dict[str, Any]:
    steps = list(one["steps"].values())
    numbers = [int(m[1]) for s in steps if s["state"] == "done" and (m := RELEASE.match(s["what"]))]
    failed = one["outcome"].startswith(("failed", "stopped")) or any(s["state"] in ("failed", "undone") for s in steps)
    state = "failed" if failed else "done" if one["ended"] else "running"
    migrations = [s["what"] for s in steps if s["what"].startswith(("migrate", "finish migrations"))]
    kept = {k: one[k] for k in ("id", "at", "what", "who", "machine", "reason", "outcome", "ended")}
    seconds = _between(one["at"], one["ended"] or one.get("last", ""))
    return {
        **kept,
        "state": state,
        "seconds": seconds,
        "release": numbers[0] if numbers and not failed else 0,
        "migrations": migrations,
        "steps": steps,
    }


def _between(first: str, last: str) -> float:
    try:
        began, ended = (datetime.fromisoformat(at.replace("Z", "+00:00")) for at in (first, last))  # noqa: FURB162 - before Python 3.11
        return (ended - began).total_seconds()
    except ValueError:
        return 0.0
