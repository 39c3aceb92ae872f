"""Units of systemd: the steps. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nuages.components.contract import Description, Unit
from nuages.engine.model import Op, Step
from nuages.engine.readiness.files import ours
from nuages.engine.readiness.state import EVERYBODY, Drift, Piece, Room


ENABLED = ("enabled", "enabled-runtime", "static", "alias", "indirect", "generated", "linked", "linked-runtime")
ACTIVE = ("active", "activating", "reloading")
PAST = {
    "enable": "enabled",
    "disable": "disabled",
    "start": "started",
    "stop": "stopped",
    "restart": "restarted",
    "reload-or-restart": "reloaded",
    "try-restart": "restarted",
    "try-reload-or-restart": "reloaded",
}


@dataclass(frozen=True)
class Case:
    """A unit and how it stands. `units`: all that the description says of it (reloaded for some files, restarted for others)."""

    units: tuple[Unit, ...]
    state: str
    file_state: str
    fresh: bool
    touched: bool
    restart: bool

    @property
    def unit(self) -> Unit:
        return self.units[0]

    @property
    def active(self) -> bool:
        return self.state in ACTIVE and not self.fresh


def unit_pieces(room: Room, description: Description, changed: frozenset[str]) -> list[Piece]:
    """Enabled, started, reloaded. systemd reads its files again first, where one of them is new."""
    again = any(path.startswith("/etc/systemd/system/") for path in changed)
    made = []
    for name in dict.fromkeys(unit.name for unit in description.units):
        case = _case(room, description, name, changed)
        if _left_alone(room, case.unit):
            continue
        if case.file_state in ("masked", "masked-runtime") and case.unit.running is not False:
            room.drift.append(Drift(room.host, name, "is masked, so it can't start", f"on the server: systemctl unmask {name}"))
            continue
        verbs = [*_boot(case), *_now(case)]
        if case.unit.running:
            room.started.add(name)
        stale = room.ready.units.get(name, {}).get("NeedDaemonReload") == "yes"
        if verbs or (stale and not again):
            made.append(_piece(room, description, case, verbs, again=again or stale, changed=changed))
            again = False
    if again:
        op: Op = {"op": "unit", "name": "", "do": [], "again": True}
        made.append(Piece(room.step("~", "systemd reads its unit files again", description.what, op)))
    return made


def _case(room: Room, description: Description, name: str, changed: frozenset[str]) -> Case:
    units = tuple(unit for unit in description.units if unit.name == name)
    state = room.ready.units.get(name, {})
    if name in room.started:  # by a description before this one
        state = {"ActiveState": "active", "UnitFileState": "enabled"}
    pending = room.ready.ledger.get("pending", {}).get(name, ())  # written by a run that ended before its reload
    touching = [unit for unit in units if {*changed, *pending} & set(unit.on)]
    return Case(
        units=units,
        state=state.get("ActiveState", ""),
        file_state=state.get("UnitFileState", ""),
        fresh=description.name in room.fresh and name not in room.started,
        touched=bool(touching),
        restart=any(not unit.reload for unit in touching),
    )


def _left_alone(room: Room, unit: Unit) -> bool:
    """A service of a package that was here before us is its owner's business, where the description says so."""
    package = unit.of_package
    return bool(package) and room.ready.packages.get(package, False) and room.entry("packages", package) is None


def _boot(case: Case) -> list[str]:
    if "@." in case.unit.name:
        return []
    if case.unit.enabled and (case.fresh or case.file_state not in ENABLED):
        return ["enable"]
    if case.unit.enabled is False and (case.fresh or case.file_state.startswith("enabled")):
        return ["disable"]
    return []


def _now(case: Case) -> list[str]:
    if "@." in case.unit.name:
        return []
    if case.unit.running is False:
        return ["stop"] if case.active or case.fresh else []
    if case.unit.running and not case.active:
        return ["start"]
    if not case.touched:
        return []
    verb = "restart" if case.restart else "reload-or-restart"
    return [verb if case.unit.running else f"try-{verb}"]


def _piece(
    room: Room, description: Description, case: Case, verbs: Sequence[str], *, again: bool, changed: frozenset[str]
) -> Piece:
    name = case.unit.name
    on = sorted({path for unit in case.units for path in unit.on})
    op: Op = {
        "op": "unit",
        "name": name,
        "do": list(verbs),
        "whose": room.whose(description),
        "on": on,
        "reload": all(unit.reload for unit in case.units),
        "again": again,
    }
    interrupts = next((unit.interrupts for unit in case.units if unit.interrupts), "") if case.active and case.restart else ""
    what = f"{name} {' and '.join(PAST[verb] for verb in verbs)}" if verbs else f"{name}: systemd reads its file again"
    why = f"interrupts {interrupts}" if interrupts else _reason(case, verbs, description)
    return Piece(room.step(_symbol(verbs, interrupts), what, why, op, undo=_undo(case, on, changed)))


def _symbol(verbs: Sequence[str], interrupts: str) -> str:
    if interrupts:
        return "!"
    if "start" in verbs:
        return "+"
    return "-" if set(verbs) & {"stop", "disable"} else "~"


def _reason(case: Case, verbs: Sequence[str], description: Description) -> str:
    if "start" in verbs and case.state == "failed":
        return "it has failed"
    if case.unit.running is False and case.unit.of_package:
        return "the package's own instance, which serves nobody"
    return "its files changed" if case.touched and case.active else description.what


def _undo(case: Case, on: Sequence[str], changed: frozenset[str]) -> tuple[Op, ...]:
    """A unit that does not take its new files gets the old ones back; one that does not start stays down."""
    if not case.active:
        return ({"op": "stop_units", "names": [case.unit.name]},) if case.unit.running else ()
    back: tuple[Op, ...] = tuple({"op": "put_back", "path": path} for path in on if path in changed)
    return (*back, {"op": "reload_units", "names": [case.unit.name]}) if back else ()


def stale_units(room: Room, descriptions: Sequence[Description]) -> list[Step]:
    """Units of ours that nobody wants any more stop; those of packages are as they were before us."""
    wanted = {unit.name for d in descriptions for unit in d.units}
    alone = set(room.ready.ledger.get("sites", {})) <= {room.site}
    mine = {room.site, EVERYBODY} if alone else {room.site}
    units = room.ready.ledger.get("units", {})
    gone = [name for name, entry in units.items() if entry["for"] in mine and name not in wanted]
    files = ours(room)
    if not alone:  # another site may need the services of a package, and has not said so: they were there when it came
        gone = [name for name in gone if f"/etc/systemd/system/{name}" in files]
    return [
        room.step(
            "-",
            f"{name} stopped" if f"/etc/systemd/system/{name}" in files else f"{name} as it was before",
            "nothing wants it any more",
            {"op": "stop_units" if f"/etc/systemd/system/{name}" in files else "restore_units", "names": [name]},
        )
        for name in gone
    ]
