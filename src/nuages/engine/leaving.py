"""A site leaves a server: everything of it goes, and what lay there before comes back. Pure.

With the last site the host's own things go too: exactly the packages that came with us, the firewall's table, sshd's
drop-in, `deploy`, the ledger. Data stays unless it is asked for: then the packages and accounts that it belongs to stay.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from nuages.engine.model import Op, Step
from nuages.engine.readiness.state import EVERYBODY, Ready, Room
from nuages.release.layout import Layout


JOURNAL = "/run/nuages/leaving.jsonl"  # the site's own journal goes with it
DATA = ("shared", "config", "snapshots", "backups", "audit.jsonl")
SERVERS_OF_DATA = ("postgresql", "mariadb", "mysql")
KINDS = ("files", "links", "absent")


@dataclass(frozen=True)
class Leaving:
    """`kept` says where data lies that stays."""

    steps: tuple[Step, ...]
    kept: tuple[str, ...] = ()


@dataclass(frozen=True)
class Leave:
    """One site on its way out. `last`: no other site of ours is on the host."""

    room: Room
    layout: Layout
    data: bool

    @property
    def ledger(self) -> Mapping[str, Any]:
        return self.room.ready.ledger

    @property
    def last(self) -> bool:
        return not set(self.ledger.get("sites", {})) - {self.room.site}

    @property
    def mine(self) -> tuple[str, ...]:
        return (self.room.site, EVERYBODY) if self.last else (self.room.site,)

    def of(self, kind: str) -> dict[str, Mapping[str, Any]]:
        return {key: entry for key, entry in self.ledger.get(kind, {}).items() if entry["for"] in self.mine}

    @property
    def paths(self) -> list[str]:
        return [path for kind in KINDS for path in self.of(kind)]

    @property
    def staying(self) -> list[str]:
        """Packages that hold data which is kept."""
        return [] if self.data else [name for name in self.ledger.get("packages", {}) if name.startswith(SERVERS_OF_DATA)]


def leave(ready: Ready, *, host: str, site: str, layout: Layout, login: str = "root", data: bool = False) -> Leaving:
    """`ready` is the answer to `readiness.questions((), site)`; `login` the user who is logged in, whose account stays.

    Send the steps with JOURNAL as their journal, after the site's processes were stopped by their supervisor.
    """
    leaving = Leave(Room(ready, host, site, frozenset(), frozenset()), layout, data)
    steps = (
        *_units(leaving),
        *_actions(leaving),
        *_files(leaving),
        *_packages(leaving),
        *_accounts(leaving, login),
        *_folder(leaving),  # late: while it is there, a run that was cut off can be made again
        *_ledger(leaving),
    )
    return Leaving(steps, () if data else tuple(_kept(leaving)))


def _units(leaving: Leave) -> list[Step]:
    """Those whose unit file is ours. Timers first: they would start their service again."""
    units = [name for name in leaving.of("units") if _is_ours(leaving, name)]
    units += [
        name
        for path in leaving.of("files")
        if path.startswith("/etc/systemd/system/") and ("@." in (name := path.rsplit("/", 1)[1]) or name.endswith(".slice"))
    ]
    names = sorted(set(units), key=lambda name: (not name.endswith(".timer"), name))
    if leaving.last and any(name.endswith(".slice") for name in names):
        names.append("nuages.slice")  # systemd made it, above those of the sites
    steps = [leaving.room.step("-", f"stop {name}", "", {"op": "stop_units", "names": [name]}) for name in names]
    return [replace(step, part="units stopped") for step in steps]


def _is_ours(leaving: Leave, unit: str) -> bool:
    return f"/etc/systemd/system/{unit}" in leaving.ledger.get("files", {})


def _actions(leaving: Leave) -> list[Step]:
    """In reverse. What erases data is left out, and stays in the ledger with it."""
    entries = sorted(leaving.of("actions").items(), key=lambda pair: str(pair[1].get("at", "")), reverse=True)
    return [
        leaving.room.step(
            "-", f"take back: {entry['what']}", "erases data" if entry["erases"] else "", {"op": "undo_action", "key": key}
        )
        for key, entry in entries
        if entry.get("undo") and (leaving.data or not entry["erases"]) and not _shared(leaving, entry)
    ]


def _shared(leaving: Leave, entry: Mapping[str, Any]) -> bool:
    """Another site did the same (let port 80 in): what takes it back would take it from that one too."""
    others = (other for other in leaving.ledger["actions"].values() if other["for"] not in leaving.mine)
    return any(other.get("undo") == entry["undo"] for other in others)


def _files(leaving: Leave) -> list[Step]:
    """What lay there before comes back; then the units that stay take it in, and are as they were."""
    made = [_file(leaving, path) for path in leaving.paths]
    if not made:
        return []
    gone = set(leaving.paths)
    going = {name for name in leaving.of("units") if _is_ours(leaving, name)}
    others = {name: entry for name, entry in leaving.ledger.get("units", {}).items() if name not in going}
    leavers = [name for name in others if name in leaving.of("units") and not _of(name, leaving.staying) and leaving.last]
    reloaded = sorted(name for name, entry in others.items() if set(entry.get("on", ())) & gone and name not in leavers)
    folders: Op = {"op": "forget_directories", "whose": list(leaving.mine)}
    reload: Op = {"op": "reload_units", "names": reloaded}
    what = "systemd reads its unit files again" + (f"; {', '.join(reloaded)} reloaded" if reloaded else "")
    made.append(leaving.room.step("~", what, "", folders, reload))
    if leavers:
        restore: Op = {"op": "restore_units", "names": leavers}
        made.append(leaving.room.step("~", f"{', '.join(leavers)} as before", "of packages", restore))
    return made


def _of(unit: str, packages: Sequence[str]) -> bool:
    return any(package.startswith(unit.partition(".")[0].partition("@")[0]) for package in packages)


def _file(leaving: Leave, path: str) -> Step:
    entries: dict[str, Any] = {}
    for kind in KINDS:
        entries |= leaving.ledger.get(kind, {}).get(path, {})
    back = bool(entries.get("kept"))
    why = "what lay there before comes back" if back else ""
    lying = leaving.room.ready.paths.get(path) or {}
    if "digest" in entries and lying.get("sha256") not in (None, entries["digest"], entries["was"]) and not entries.get("once"):
        why = f"somebody changed it: a copy stays in /root/nuages-changed-by-hand{path}"
    step = leaving.room.step("~" if back else "-", path, why, {"op": "bring_back", "path": path})
    return replace(step, part="files taken away")


def _folder(leaving: Leave) -> list[Step]:
    folder = leaving.layout.dir
    if leaving.data:
        what, why = str(folder), "with its database files, uploads, snapshots and configuration"
    else:
        what, why = f"{folder} except its data", ""
    op: Op = {"op": "empty", "path": str(folder), "keep": [] if leaving.data else list(DATA)}
    return [leaving.room.step("-", what, why, op)]


def _packages(leaving: Leave) -> list[Step]:
    names = [name for name in leaving.ledger.get("packages", {}) if name not in leaving.staying]
    if not leaving.last or not names:
        return []
    what = f"purge {len(names)} packages that came with Nuages"
    return [leaving.room.step("-", what, " ".join(names), {"op": "purge", "keep": leaving.staying, "timeout": 900})]


def _accounts(leaving: Leave, login: str) -> list[Step]:
    """The site's account stays with its data, that of its deploy keys owns nothing. Whoever is logged in can't be removed
    from under his own feet."""
    going = [
        name
        for name, entry in leaving.of("accounts").items()
        if name != login and (leaving.data or entry["for"] == EVERYBODY or name.endswith("_deploy"))
    ]
    made = [leaving.room.step("-", f"account {name}", "", {"op": "drop_account", "name": name}) for name in going]
    came = leaving.ledger.get("came", {})
    if leaving.last and not leaving.staying and (came.get("users") or came.get("groups")):
        names = ", ".join(sorted({*came.get("users", ()), *came.get("groups", ())}))
        made.append(leaving.room.step("-", f"accounts of those packages: {names}", "", {"op": "drop_came"}))
    return made


def _ledger(leaving: Leave) -> list[Step]:
    what = "/var/lib/nuages" if leaving.last and leaving.data else "its notes in /var/lib/nuages/ledger.json"
    folders: Op = {"op": "forget_directories", "whose": list(leaving.mine)}
    forget: Op = {"op": "forget", "site": leaving.room.site, "last": leaving.last, "data": leaving.data}
    return [leaving.room.step("-", what, "", folders, forget)]


def _kept(leaving: Leave) -> list[str]:
    kept = [f"what lies there of {', '.join(DATA)} in {leaving.layout.dir}"]
    made = [str(entry["what"]) for entry in leaving.of("actions").values() if entry["erases"]]
    kept += [f"what was made by: {'; '.join(made)}"] if made else []
    if leaving.last and leaving.staying:
        kept.append("the packages of the database, with its data: " + " ".join(leaving.staying))
    return kept
