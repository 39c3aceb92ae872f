"""Everything that Nuages keeps on a server, as plain files and the commands to make them matter. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nuages.components.contract import Account, Action, Description, File, Unit
from nuages.hosts.command import Command
from nuages.secret import Secret


README = "README.md"
PLACEHOLDER = "# A secret, and not written here: copy this file from the server.\n"


@dataclass(frozen=True)
class Ejected:
    """`files`: path (as on the host, without the first slash) -> content. `modes`: those that are not 0644."""

    files: Mapping[str, str]
    modes: Mapping[str, int]


def eject(descriptions: Sequence[Description], *, site: str, host: str) -> Ejected:
    """Secrets are left out; README.md says what to do by hand, in order."""
    files = {file.path.lstrip("/"): _content(file) for d in descriptions for file in d.files}
    modes = {file.path.lstrip("/"): file.mode for d in descriptions for file in d.files if file.mode != 0o644}  # noqa: PLR2004
    return Ejected({**files, README: _readme(descriptions, site, host)}, modes)


def _content(file: File) -> str:
    return PLACEHOLDER if isinstance(file.content, Secret) or file.once else file.content


def _readme(descriptions: Sequence[Description], site: str, host: str) -> str:
    packages = sorted({name for d in descriptions for name in d.packages})
    parts = [
        f"# {site} on {host}, by hand\n\nThe files beside this one are what Nuages writes, at their paths below /. These commands do the rest, as root, in this order.\n",
        _block("Packages", [f"apt-get install --no-install-recommends {' '.join(packages)}"] if packages else []),
        *(_description(d) for d in descriptions),
    ]
    return "\n".join(part for part in parts if part)


def _description(d: Description) -> str:
    lines = [
        *(_account(account) for account in d.accounts),
        *(f"install -d -m {x.mode:04o} -o {x.owner} -g {x.group} {shlex.quote(x.path)}" for x in d.directories),
        *(f"install -D -m {f.mode:04o} -o {f.owner} -g {f.group} .{shlex.quote(f.path)} {shlex.quote(f.path)}" for f in d.files),
        *(f"ln -sfn {shlex.quote(link.target)} {shlex.quote(link.path)}" for link in d.links),
        *(f"rm -f {shlex.quote(path)}" for path in d.absent),
        *([str(d.verify)] if d.verify else []),
        *(["systemctl daemon-reload"] if any(f.path.startswith("/etc/systemd/system/") for f in d.files) else []),
        *(line for unit in d.units if (line := _unit(unit))),
        *(_action(action) for action in d.actions),
    ]
    return _block(d.what[:1].upper() + d.what[1:], lines)


def _block(title: str, lines: Sequence[str]) -> str:
    return "\n".join([f"## {title}\n", "```sh", *lines, "```", ""]) if lines else ""


def _account(account: Account) -> str:
    system = "--system --no-create-home" if account.shell.endswith("nologin") else "--create-home"
    groups = f" --groups {','.join(account.groups)}" if account.groups else ""
    comment = shlex.quote(account.comment)
    return f"useradd {system} --user-group --comment {comment} --home-dir {account.home} --shell {account.shell}{groups} {account.name}"


def _unit(unit: Unit) -> str:
    if "@." in unit.name:
        return ""
    if unit.enabled and unit.running:
        return f"systemctl enable --now {unit.name}"
    if unit.enabled is False and unit.running is False:
        return f"systemctl disable --now {unit.name}"
    if unit.enabled is None and unit.running is None:
        return f"systemctl try-reload-or-restart {unit.name}"
    return f"systemctl {'enable' if unit.enabled else 'disable'} {unit.name}"


def _action(action: Action) -> str:
    return f"# {action.what}: {action.why}\n{_as_user(action.command, action.user)}"


def _as_user(command: Command, user: str) -> str:
    account = user if user != "root" else command.user
    return f"runuser -u {account} -- {command}" if account not in ("", "root") else str(command)
