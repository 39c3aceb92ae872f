"""The book of a site's errors: one group for each kind, counted; and the newest tracebacks.

    SITE/errors/groups.json    each kind: first and last time, counts by release, process and hour, who brought it
    SITE/errors/traces.jsonl   tracebacks, one a line; turned over at 2 MB, one older file kept

All processes of the site write it, each once a second at most, one after another under a lock of the kernel's. Counts are
exact as long as there are fewer than MOST kinds; tracebacks are samples.

As a program, by the host's own Python (3.9 and newer): errorbook.py FOLDER count | list [SINCE] | show ID | resolve ID | reopen ID
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time


MOST = 500  # kinds; the one that was seen longest ago makes room
OTHERS = "others"
TRACES = 2 << 20
LONGEST = 16 << 10  # of a traceback
HOURS = 24 * 7
HOUR = 3600


class Book:
    def __init__(self, folder, clock=time.time):
        self.folder = folder
        self.clock = clock

    # --- writing ---------------------------------------------------------------------------------------------

    def add(self, found, traces=()):
        """Count what a process has found: {id: {"count", "first", "last", "type", "where", "message", "release", "build",
        "host", "process"}}. Returns the ids that nobody has met before, or that had been resolved."""
        fresh = []
        with self.changing() as groups:
            for ident, one in found.items():
                if ident not in groups and len(groups) >= MOST:
                    self._make_room(groups)
                if self._count(groups, ident, one):
                    fresh.append(ident)
            self._write_traces(traces)
        return fresh

    def _count(self, groups, ident, one):
        group = groups.get(ident)
        new = group is None
        if new:
            group = groups[ident] = {
                "first": one["first"], "count": 0, "releases": {}, "processes": {}, "hosts": {}, "hours": {},
                "first_release": one["release"], "first_build": one["build"],
            }  # fmt: skip
        again = bool(group.get("resolved"))
        if again:
            group["reopened"] = one["release"]
            group["resolved"] = None
        group.update({key: one[key] for key in ("type", "where", "message")})
        group["first"] = min(group["first"], one["first"])
        group["last"] = max(group.get("last", 0), one["last"])
        group["count"] += one["count"]
        for kind, name in (("releases", one["release"]), ("processes", one["process"]), ("hosts", one["host"])):
            group[kind][str(name)] = group[kind].get(str(name), 0) + one["count"]
        hours = group["hours"]
        hour = str(int(one["last"] // HOUR * HOUR))
        hours[hour] = hours.get(hour, 0) + one["count"]
        for old in sorted(hours)[:-HOURS]:
            del hours[old]
        return new or again

    def _make_room(self, groups):
        """The oldest kind goes; its count stays with all the others that went."""
        oldest = min((ident for ident in groups if ident != OTHERS), key=lambda ident: groups[ident].get("last", 0))
        gone = groups.pop(oldest)
        gone = dict(gone, release=gone["first_release"], build=gone["first_build"], host="", process="")
        self._count(groups, OTHERS, dict(gone, type="others", where="", message="kinds that made room for newer ones"))

    def _write_traces(self, traces):
        if not traces:
            return
        path = os.path.join(self.folder, "traces.jsonl")
        lines = "".join(json.dumps(trace, default=str) + "\n" for trace in traces).encode("utf-8", "replace")
        with contextlib.suppress(OSError):
            if os.path.getsize(path) > TRACES:
                os.replace(path, path + ".1")
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(descriptor, lines)
        finally:
            os.close(descriptor)

    def resolve(self, ident, resolved=True):
        with self.changing() as groups:
            full = self._full(groups, ident)
            if full:
                groups[full]["resolved"] = self.clock() if resolved else None
        return full

    @contextlib.contextmanager
    def changing(self):
        os.makedirs(self.folder, mode=0o700, exist_ok=True)
        with self.alone("lock"):
            groups = self.groups()
            yield groups
            self.write("groups.json", groups)

    @contextlib.contextmanager
    def alone(self, name):
        """A lock that the kernel takes back when its holder dies."""
        import fcntl

        descriptor = os.open(os.path.join(self.folder, name), os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def write(self, name, value):
        """Whole or not at all."""
        partial = os.path.join(self.folder, ".%s.%d" % (name, os.getpid()))
        with open(partial, "w", encoding="utf-8") as file:
            json.dump(value, file, separators=(",", ":"), default=str)
        os.chmod(partial, 0o600)
        os.replace(partial, os.path.join(self.folder, name))

    # --- reading ---------------------------------------------------------------------------------------------

    def read(self, name):
        try:
            with open(os.path.join(self.folder, name), encoding="utf-8") as file:
                found = json.load(file)
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def groups(self):
        return {ident: group for ident, group in self.read("groups.json").items() if isinstance(group, dict)}

    def traces(self):
        """Newest first."""
        for name in ("traces.jsonl", "traces.jsonl.1"):
            try:
                with open(os.path.join(self.folder, name), encoding="utf-8", errors="replace") as file:
                    lines = file.readlines()
            except OSError:
                continue
            for line in reversed(lines):
                with contextlib.suppress(ValueError):
                    yield json.loads(line)

    def count(self):
        groups = self.groups()
        open_ = {ident: group.get("first_release", 0) for ident, group in groups.items() if not group.get("resolved")}
        since = int((self.clock() - HOUR) // HOUR * HOUR)
        hour = sum(n for group in groups.values() for at, n in group.get("hours", {}).items() if int(at) > since)
        return {"open": open_, "hour": hour, "mail": self.read("mail.json").get("problem", "")}

    def list(self, since=0.0):
        groups = self.groups()
        return [dict(group, id=ident) for ident, group in groups.items() if group.get("last", 0) >= since]

    def show(self, ident):
        groups = self.groups()
        full = self._full(groups, ident)
        if not full:
            return None
        trace = next((trace for trace in self.traces() if trace.get("id") == full), None)
        return dict(groups[full], id=full, trace=trace)

    @staticmethod
    def _full(groups, ident):
        """By its beginning too, where that is one's alone."""
        fitting = [known for known in groups if known == ident] or [known for known in groups if known.startswith(ident)]
        return fitting[0] if len(fitting) == 1 else ""


def main(words):
    book = Book(words[0])
    verb, rest = words[1], words[2:]
    if verb == "list":
        answer = book.list(float(rest[0]) if rest else 0.0)
    elif verb == "show":
        answer = book.show(rest[0])
    elif verb in ("resolve", "reopen"):
        answer = {"id": book.resolve(rest[0], verb == "resolve")} if os.path.isdir(book.folder) else {"id": ""}
    else:
        answer = book.count()
    print(json.dumps(answer))


if __name__ == "__main__":
    main(sys.argv[1:])
