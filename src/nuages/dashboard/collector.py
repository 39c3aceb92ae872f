"""Asks the hosts, in the background and again and again; a request only ever reads what was found last."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from nuages.dashboard.board import Board
from nuages.dashboard.changes import Commits, Names, names_of
from nuages.dashboard.facts import View, assemble
from nuages.engine.model import Live
from nuages.errors import NuagesError
from nuages.hosts import Hosts, reach
from nuages.hosts.transport import Transport
from nuages.insight.model import Status, Updates
from nuages.insight.status import look, understood
from nuages.release.layout import Layout, site_layout
from nuages.topology import Topology, load_topology


HERE, SERVERS = 4.0, 15.0  # seconds between two rounds
JOURNAL = 600_000  # bytes that are read from its end
WINDOW, UPDATES = 3600.0, 600.0  # seconds: of the log of requests; between two questions for pending packages


class Collector:
    """Of one site."""

    def __init__(self, root: Path, board: Board) -> None:
        self.root, self.board = root, board
        self.wanted, self.ended = threading.Event(), threading.Event()
        self.salt = os.urandom(32)
        self.names: dict[int, Names] = {}
        self.told: tuple[Any, str] = (None, "")  # the audit's end, and the journal as it was then
        self.commits: Commits | None = None
        self.updates: dict[str, Updates | None] = {}
        self.asked_updates = -UPDATES
        self.thread = threading.Thread(target=self._work, name="collector", daemon=True)

    def start(self) -> None:
        self.thread.start()

    def look(self) -> None:
        """Now, not when its time comes."""
        self.wanted.set()

    def end(self) -> None:
        self.ended.set()
        self.wanted.set()

    def _work(self) -> None:
        pause = HERE
        while not self.ended.is_set():
            self.wanted.clear()
            pause = self._round()
            self.wanted.wait(pause)

    def _round(self) -> float:
        """Tell what is; seconds until the next time."""
        try:
            topology = load_topology(self.root)
            pause = SERVERS if topology.remote else HERE
            with reach(topology) as hosts:
                self.board.show_facts(self.facts(topology, hosts))
        except NuagesError as error:
            self._trouble(error.what, error.where, error.hint)
        except Exception as error:  # noqa: BLE001 - the page must say so and go on; the next round may do better
            self._trouble(f"the facts could not be read: {type(error).__name__}: {error}", "", "")
        else:
            return pause
        return SERVERS

    def _trouble(self, what: str, where: str, hint: str) -> None:
        """What was known stays, with its age, under what is wrong now."""
        before = dict(self.board.facts) or {"site": self.root.name, "state": "unknown", "at": time.time()}
        said = {"level": "bad", "what": f"{where}: {what}" if where else what, "hint": hint}
        self.board.show_facts({**before, "attention": [said]})

    def facts(self, topology: Topology, hosts: Hosts) -> dict[str, Any]:
        """One round: a round trip to each host for how it stands, and one more to the leading one for what has changed."""
        layout = site_layout(topology)
        looks = look(topology, hosts, layout, window=WINDOW, updates=self._updates_are_due(topology))
        status = self._with_updates(understood(topology, layout, looks))
        seen = tuple(each.live for each in looks if each.live)
        lost = {each.host.name: each.error for each in looks if each.error}
        view = View(topology, time.time(), status, seen=seen, lost=lost)
        if not seen and self.board.facts:
            return self._as_before(view)
        if looks[0].live and looks[0].answer:
            view = replace(view, audit=looks[0].answer["audit"])
            view = replace(view, **self._history(hosts.lead, layout, looks[0].live, view.audit))
        self.commits = self.commits or Commits(hosts.here, self.root)
        return assemble(view, self.commits)

    def _updates_are_due(self, topology: Topology) -> bool:
        """They cost a host half a second, and change once a day."""
        due = topology.remote and time.monotonic() - self.asked_updates > UPDATES
        self.asked_updates = time.monotonic() if due else self.asked_updates
        return due

    def _with_updates(self, status: Status) -> Status:
        self.updates |= {host.name: host.updates for host in status.hosts if host.updates}
        return replace(status, hosts=tuple(replace(host, updates=self.updates.get(host.name)) for host in status.hosts))

    def _as_before(self, view: View) -> dict[str, Any]:
        """Nobody answers: what was known, no younger than it is, and who does not."""
        told = assemble(view, Commits(_nobody(), self.root))
        now = {key: told[key] for key in ("state", "verdict", "attention")}
        return {**self.board.facts, **now, "hosts": _without(self.board.facts, told)}

    def _history(self, lead: Transport, layout: Layout, live: Live, audit: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        wanted = {r["config"] for r in live.numbered.values()} - set(self.names)
        journal = (
            {"it": {"kind": "text", "path": str(layout.journal), "limit": -JOURNAL}} if self._has_changed(audit, live) else {}
        )
        answers = lead.read(
            {
                "lock": {"kind": "locked", "path": str(layout.lock)},
                **journal,
                **{f"config {n}": {"kind": "json", "path": str(layout.config(n))} for n in sorted(wanted)},
            }
        )
        for number in wanted:
            stored = answers[f"config {number}"]
            if stored and "unreadable" not in stored:
                self.names[number] = names_of(stored, self.salt)
        if journal:
            self.told = (audit[-1] if audit else None, answers["it"] or "")
        return {"lock": answers["lock"], "names": self.names, "journal": self.told[1]}

    def _has_changed(self, audit: Sequence[Mapping[str, Any]], live: Live) -> bool:
        """The journal grows only while somebody holds the lock: else what was read of it is still true."""
        return live.locked or not self.told[1] or self.told[0] != (audit[-1] if audit else None)


def _nobody() -> Transport:
    from nuages.hosts.local import LocalTransport

    return LocalTransport()


def _without(before: Mapping[str, Any], told: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The hosts as they were, each marked as not reached."""
    known = {host["name"]: host for host in before.get("hosts", [])}
    return [{**known.get(host["name"], {}), **host, "processes": []} for host in told["hosts"]]
