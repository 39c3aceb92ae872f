"""Who may come to a site's servers beside whoever deployed it first: deploy keys, which reach the gate of one site and no
shell, and people of the team, who are equal to root. What is wanted is in access.json beside the site; this describes it."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nuages.hosts
from nuages import __version__
from nuages.components.base.accounts import DEPLOY
from nuages.components.base.facts import Facts
from nuages.components.contract import Account, Action, Description, Directory, File, Placement
from nuages.components.templating import head
from nuages.hosts.command import Command, run
from nuages.topology.access import deploy_login


GATE = Path(__file__).parents[2] / "gate"
HOSTS = Path(nuages.hosts.__file__).parent
AGENT = ("agent.py", "agent_lock.py", "agent_server.py", "agent_ready.py", "agent_certs.py")
PROGRAM = "gate.py"
INSTEAD = "nuages access add-deploy-key, or nuages access remove"
# One line is added where it is not there yet; the last key of a login is never taken away.
PLACE = 'set -e; umask 077; home=$(getent passwd "$1" | cut -d: -f6); file="$home/.ssh/authorized_keys"; read -r line; '
ADD = (
    PLACE
    + '[ -d "$home/.ssh" ] || install -d -m 700 -o "$1" -g "$(id -gn "$1")" "$home/.ssh"; grep -qxF -- "$line" "$file" 2>/dev/null && exit 0; '
    '[ -e "$file" ] || install -m 600 -o "$1" -g "$(id -gn "$1")" /dev/null "$file"; '
    '[ -z "$(tail -c1 "$file")" ] || echo >> "$file"; printf "%s\\n" "$line" >> "$file"'
)
THERE = PLACE + 'grep -qxF -- "$line" "$file"'
TAKE = (
    PLACE + '[ -e "$file" ] || exit 0; rest=$(grep -vxF -- "$line" "$file" || true); '
    'printf "%s\\n" "$rest" | grep -qE "^[^#[:space:]]" || { echo "the last key of $1 stays" >&2; exit 0; }; printf "%s\\n" "$rest" > "$file"'
)


@dataclass(frozen=True)
class Key:
    """`name` is whose; `key` type and base64, without a comment. `by` and `since` (UTC): who added it."""

    name: str
    key: str
    since: str = ""
    by: str = ""

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.key)


def fingerprint(key: str) -> str:
    """As `ssh-keygen -l` tells it."""
    import base64

    digest = hashlib.sha256(base64.b64decode(key.split()[1], validate=True)).digest()
    return "SHA256:" + base64.b64encode(digest).decode("ascii").rstrip("=")


def keys_of(access: Mapping[str, Any], kind: str) -> tuple[Key, ...]:
    """`kind`: deploy_keys or team."""
    return tuple(Key(**entry) for entry in access.get(kind, ()))


def describe_access(placement: Placement, access: Mapping[str, Any]) -> tuple[Description, ...]:
    """Nothing where nobody was added."""
    deploy_keys, team = keys_of(access, "deploy_keys"), keys_of(access, "team")
    return (
        *((_gate(placement, deploy_keys),) if deploy_keys else ()),
        *((_team(placement, team),) if team else ()),
    )


# --- the team ------------------------------------------------------------------------------------------------


def login_of(facts: Facts) -> str:
    """Under whose name people log in: `deploy`, where it was made for them."""
    return DEPLOY if facts.login in ("root", DEPLOY) and facts.keys else facts.login


def _team(placement: Placement, keys: Iterable[Key]) -> Description:
    login = login_of(Facts.read(placement.machine.facts))
    actions = tuple(team_action(placement.topology.name, key, login) for key in keys)
    return Description(name="team", what=f"the team logs in as {login}", actions=actions)


def action_key(site: str, print_: str) -> str:
    return f"team key {site} {print_}"


def team_action(site: str, key: Key, login: str) -> Action:
    line = f"{key.key} {key.name}"
    what = f"{key.name} may log in as {login}"
    place, there, take = (_on_line(script, login, line) for script in (ADD, THERE, TAKE))
    return Action(action_key(site, key.fingerprint), what, key.fingerprint, place, unless=there, undo=take)


def take_command(login: str, line: str) -> Command:
    return _on_line(TAKE, login, line)


def _on_line(script: str, login: str, line: str) -> Command:
    return Command(("/bin/sh", "-c", script, "sh", login), stdin=line + "\n", timeout=30)


# --- deploy keys -----------------------------------------------------------------------------------------------


def gate_folder(site: str) -> str:
    return f"/usr/local/lib/nuages/{site}"


def home_of(site: str) -> str:
    return f"/var/lib/nuages/deploy/{site}"


def _gate(placement: Placement, keys: tuple[Key, ...]) -> Description:
    """An account that sshd lets reach one program, which sudo lets it run as root with one argument: the key's name."""
    site, login = placement.topology.name, deploy_login(placement.account)
    folder, home = gate_folder(site), home_of(site)
    ours = {str(Path(folder, name).parent) for name in _programs()}
    return Description(
        name="deploy-keys",
        what=f"deploy keys of {site} reach its gate",
        packages=("sudo",),
        accounts=(Account(login, f"Deploy keys of the site {site}, by Nuages", home, "/bin/sh"),),
        directories=tuple(Directory(path) for path in (*sorted(ours), home, f"{home}/.ssh")),
        files=(*_files(placement), _sudoers(site, login, keys), _authorized(site, keys)),
        verify=run("visudo", "-c", "-q", timeout=30),
    )


def _files(placement: Placement) -> tuple[File, ...]:
    site, folder = placement.topology.name, gate_folder(placement.topology.name)
    told = {"site": site, "account": placement.account, "dir": str(placement.layout.dir), "version": __version__}
    programs = [File(f"{folder}/{name}", text, 0o755 if name == PROGRAM else 0o644) for name, text in _programs().items()]
    return (*programs, File(f"{folder}/gate.json", json.dumps(told, indent=1, sort_keys=True) + "\n"))


def _programs() -> dict[str, str]:
    """The gate's own, the agent that it uses, and what lays environments out: root runs none that a key sends."""
    from nuages.environments.placing import program

    found = {
        path.name: path.read_text(encoding="utf-8")
        for path in sorted(GATE.glob("*.py"))
        if path.name not in ("__init__.py", "keys.py")
    }
    found |= {name: (HOSTS / name).read_text(encoding="utf-8") for name in AGENT}
    with zipfile.ZipFile(program()) as archive:
        found |= {f"environment/{name}": archive.read(name).decode("utf-8") for name in sorted(archive.namelist())}
    return found


def _sudoers(site: str, login: str, keys: Iterable[Key]) -> File:
    program = f"{gate_folder(site)}/{PROGRAM}"
    lines = [
        f'Defaults:{login} env_keep += "SSH_CONNECTION SSH_ORIGINAL_COMMAND"',
        f"Defaults:{login} !requiretty, !use_pty",
        *(f"{login} ALL=(root) NOPASSWD: {program} {key.name}" for key in keys),
    ]
    return File(f"/etc/sudoers.d/50-nuages-{login}", head(site, INSTEAD) + "\n".join(lines) + "\n", 0o440)


def _authorized(site: str, keys: Iterable[Key]) -> File:
    """sshd reads it as that account, which can't write it."""
    program = f"{gate_folder(site)}/{PROGRAM}"
    lines = [f'restrict,command="/usr/bin/sudo -n -- {program} {key.name}" {key.key} {key.name}' for key in keys]
    return File(f"{home_of(site)}/.ssh/authorized_keys", head(site, INSTEAD) + "\n".join(lines) + "\n")
