"""Packages, accounts, folders and actions: the steps. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nuages.components.contract import Account, Action, Description, Directory
from nuages.engine.model import Step
from nuages.engine.readiness.state import Piece, Room, run_op


def first_step(room: Room, ports: set[int]) -> list[Step]:
    """The site claims its place in the ledger, and what the host was before is remembered."""
    claim = room.entry("sites", room.site)
    if claim and claim.get("ports") == sorted(ports) and "occupied" in room.ready.ledger:
        return []
    op = {"op": "ledger", "site": room.site, "ports": sorted(ports), "occupied": dict(room.ready.occupied)}
    why = "remembers what Nuages changes here and what lay there before"
    return [room.step("~" if claim else "+", "/var/lib/nuages/ledger.json", why, op)]


def package_steps(room: Room, descriptions: Sequence[Description]) -> list[Step]:
    """All of them in one transaction of apt. What they bring and what must not be goes at once: a host that starts anew
    before its own step would serve it, on a neighbour's port perhaps."""
    missing = {name: d.name for d in descriptions for name in d.packages if not room.ready.packages.get(name)}
    if not missing:
        return []
    why = "for " + ", ".join(dict.fromkeys(name.rpartition("-")[2] for name in missing.values()))
    what = "packages " + " ".join(missing) if len(missing) > 1 else f"package {next(iter(missing))}"
    aside = [
        {"op": "set_aside", "path": path, "whose": room.whose(d)}
        for d in descriptions
        if d.name in room.fresh
        for path in d.absent
        if not room.ready.paths.get(path)
    ]
    return [room.step("+", what, why, {"op": "packages", "names": list(missing), "timeout": 1800}, *aside)]


def account_pieces(room: Room, description: Description) -> list[Piece]:
    return [piece for account in description.accounts if (piece := _account(room, description, account))]


def _account(room: Room, description: Description, account: Account) -> Piece | None:
    found, ours = room.ready.accounts.get(account.name), room.entry("accounts", account.name)
    op = {
        "op": "account",
        "name": account.name,
        "comment": account.comment,
        "home": account.home,
        "shell": account.shell,
        "groups": list(account.groups),
        "whose": room.whose(description),
    }
    if found is None:
        return Piece(room.step("+", f"account {account.name}", account.comment[0].lower() + account.comment[1:], op))
    if ours is None and found["home"] != account.home and description.scope == "site":
        hint = 'give the site another name in nuages.toml: name = "..."'
        room.conflicts.append((f"the account {account.name} on {room.host} is somebody else's (home {found['home']})", hint))
        return None
    lacking = sorted(set(account.groups) - set(found["groups"]))
    if lacking or (ours and (found["home"], found["shell"]) != (account.home, account.shell)):
        why = f"not in {', '.join(lacking)}" if lacking else "its home or shell differs"
        return Piece(room.step("~", f"account {account.name}", why, op), alters=ours is None)
    return None


def directory_pieces(room: Room, description: Description) -> list[Piece]:
    """New folders are one step, with those that the first release has been laid into; each that differs is one of its own."""
    new, made = [], []
    first = room.entry("sites", room.site) is None
    for directory in description.directories:
        lying = room.ready.paths.get(directory.path)
        if lying is None:
            new.append(directory)
        elif lying["type"] != "directory":
            hint = "move it away on the server, and run the same command again"
            room.conflicts.append((f"{directory.path} on {room.host} is in the way: it should be a folder", hint))
        elif (lying["mode"], lying["owner"], lying["group"]) == (directory.mode, directory.owner, directory.group):
            continue
        elif first and (lying["owner"], lying["group"]) == ("root", "root"):
            new.append(directory)
        else:
            made.append(Piece(_mended(room, description, directory, lying)))
    if new:
        rest = f" and {len(new) - 1} more folder{'s' if len(new) > 2 else ''}" if len(new) > 1 else ""  # noqa: PLR2004
        ops = [_folder(room, description, directory) for directory in new]
        made.insert(0, Piece(room.step("+", f"{new[0].path}{rest}", description.what, *ops)))
    return made


def _mended(room: Room, description: Description, directory: Directory, lying: Any) -> Step:
    was = f"{lying['owner']}:{lying['group']} {lying['mode']:04o}"
    why = f"{was}, and should be {directory.owner}:{directory.group} {directory.mode:04o}"
    return room.step("~", directory.path, why, _folder(room, description, directory))


def _folder(room: Room, description: Description, directory: Directory) -> dict[str, Any]:
    manners = {"mode": directory.mode, "owner": directory.owner, "group": directory.group}
    return {"op": "directory", "path": directory.path, **manners, "whose": room.whose(description)}


def action_pieces(room: Room, description: Description) -> list[Piece]:
    """Those that the ledger does not know by their key, or whose work was seen to be gone."""
    actions = [action for action in description.actions if action.missing or room.entry("actions", action.key) is None]
    return [Piece(room.step("+", action.what, action.why, _action(room, description, action))) for action in actions]


def _action(room: Room, description: Description, action: Action) -> dict[str, Any]:
    def told(command: Any) -> dict[str, Any] | None:
        if command is None:
            return None
        text = command.stdin if isinstance(command.stdin, str) else command.stdin.reveal()
        return {**run_op(command, action.user), **({"input": text} if text else {})}

    return {
        "op": "action",
        "key": action.key,
        "command": told(action.command),
        "unless": told(action.unless),
        "undo": told(action.undo),
        "what": action.what,
        "whose": room.whose(description),
        "erases": action.erases,
    }
