"""What went wrong with a login, out of what ssh and sudo print (OpenSSH does not translate; sudo is run with LC_ALL=C)."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Callable, Iterable

from nuages.errors import HostError
from nuages.hosts.ssh_options import Login


LOST = re.compile(
    r"Timeout, server .* not responding|client_loop: send disconnect|Connection to .* closed by|Connection reset by|"
    r"Broken pipe|read from master failed|Shared connection to .* closed"
)
OFFENDING = re.compile(r"Offending (\S+) key in (.+):(\d+)")
KEY_SHOWN = re.compile(r"Server host key: (\S+) (SHA256:\S+)")
OFFERED = re.compile(r"Offering public key: (.+)")
NO_CONNECTION, NO_ADDRESS = "no connection", "no address is known"
LOST_STATUS = 255  # ssh's own; a program's is never that on purpose
GOES_ON = "the host goes on with the step it is in; run the same command again: it reads the journal"


def explain(
    login: Login, status: int, errors: str, words: Iterable[str] = (), *, begun: bool = False, writing: bool = False
) -> HostError:
    """`begun`: the agent had answered something. `writing`: steps were being carried out."""
    name = login.host.name
    found = None
    if not begun:
        found = _of_start(login, words) or _of_connection(login, errors, name) or _of_sudo(login, errors, name)
    if found is None and "No space left on device" in errors:
        found = HostError("the disk is full", where=name, hint="free some space on the host and run the same command again")
    if found is None and (LOST.search(errors) or status in (LOST_STATUS, -15, -9)):
        found = lost(name, tail(errors), writing=writing)
    return found or HostError("the agent ended early", where=name, detail=tail(errors))


def _of_start(login: Login, words: Iterable[str]) -> HostError | None:
    name = login.host.name
    if "no python" in words:
        hint = f"on Debian and Ubuntu: {login.typed('apt-get install -y python3')}"
        return HostError("there is no python3 on the host, and Nuages needs 3.9 or newer", where=name, hint=hint)
    if "no sudo" in words:
        what = "this login is not root's, and there is no sudo on the host"
        return HostError(what, where=name, hint="log in as root, or install sudo and let this user use it")
    return None


def lost(name: str, detail: str = "", *, writing: bool) -> HostError:
    hint = GOES_ON if writing else "is the host up, and its network? Then run the same command again"
    return HostError("the connection was lost", where=name, detail=detail, hint=hint)


def tail(errors: str, lines: int = 4) -> str:
    return "\n".join([line.strip() for line in errors.splitlines() if line.strip()][-lines:])


def _of_connection(login: Login, errors: str, name: str) -> HostError | None:
    """The first of these that ssh speaks of."""
    kinds: tuple[tuple[str, Callable[[re.Match[str]], HostError]], ...] = (
        (r"Could not resolve hostname (\S+?):? (.+)", lambda m: _unknown_name(m[1], m[2].strip(), name)),
        (r"REMOTE HOST IDENTIFICATION HAS CHANGED", lambda _m: _changed(login, errors, name)),
        (r"Host key verification failed|host key is known for", lambda _m: _unknown(login, name)),
        (r"connect to host (\S+) port (\d+): (.+)", lambda m: _unreachable(m[1], m[2], m[3].strip(), name)),
        (r"timed out", lambda _m: _unreachable(login.target, str(login.host.port or 22), "Connection timed out", name)),
        (r"kex_exchange_identification", lambda _m: _closed(errors, name)),
        (r"Permission denied \(([^)]*)\)|(Too many authentication failures)", lambda m: denied(login, m[1] or m[2], name)),
        (r"Bad owner or permissions on .+|Can't open user config file .+", lambda m: HostError(m[0].strip(), where=name)),
    )
    for pattern, made in kinds:
        if match := re.search(pattern, errors):
            return made(match)
    return None


def _unknown_name(host: str, why: str, name: str) -> HostError:
    hint = "give its address in nuages.toml (hosts), or a Host entry in ~/.ssh/config"
    return HostError(f"{NO_ADDRESS} for {host}", where=name, hint=hint, detail=why)


def _closed(errors: str, name: str) -> HostError:
    hint = "is that port sshd's? It may also be refusing for a while (MaxStartups, fail2ban)"
    return HostError("the host closed the connection before the login", where=name, detail=tail(errors), hint=hint)


def _unreachable(target: str, port: str, why: str, name: str) -> HostError:
    hints = {
        "Connection refused": "the host is up but nothing listens there: is sshd on another port? (port in nuages.toml)",
        "No route to host": "is the host up? Is the address right, or is there a firewall between?",
        "Network is unreachable": "does this machine have a network?",
    }
    fallback = "is the host up, and its address right? A firewall that drops looks like this too"
    return HostError(f"{NO_CONNECTION} to {target} port {port}: {why}", where=name, hint=hints.get(why, fallback))


def is_out_of_reach(error: HostError) -> bool:
    """Could nobody help who is asked for a password, a passphrase or whether a key is right?"""
    return error.what.startswith((NO_CONNECTION, NO_ADDRESS))


def denied(login: Login, methods: str, name: str) -> HostError:
    offered = [m.strip() for m in OFFERED.findall(_verbose(login))]
    keys = "keys that were offered:\n" + "\n".join(f"  {key}" for key in offered) if offered else "no key was offered"
    hint = f"try it by hand: {login.typed()}; the key comes from ssh-agent, ~/.ssh/config, or identity in nuages.toml"
    user = login.host.user or "this user"
    return HostError(f"the host refuses the login of {user} ({methods})", where=name, detail=keys, hint=hint)


def _unknown(login: Login, name: str) -> HostError:
    shown = KEY_SHOWN.findall(_verbose(login))
    detail = "it says its key is:\n" + "\n".join(f"  {kind} {print_}" for kind, print_ in shown[-1:]) if shown else ""
    hint = (
        "compare it with what the host itself says (in its console: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub), "
        f"then accept it: {login.typed('true')}"
    )
    return HostError("the host's key is not known here, so it may be any machine", where=name, detail=detail, hint=hint)


def _changed(login: Login, errors: str, name: str) -> HostError:
    shown = re.findall(r"(SHA256:[A-Za-z0-9+/=]+)", errors)
    place = OFFENDING.search(errors)
    lines = [f"the key it shows now: {shown[-1].rstrip('.')}"] if shown else []
    remove = f"ssh-keygen -R {shlex.quote(_known_as(login))}"
    if place:
        lines.append(f"the key known so far: {place[2]} line {place[3]}")
        remove += f" -f {shlex.quote(place[2])}"
    hint = f"after making sure that it is: {remove}, then {login.typed('true')} to accept the new key"
    what = "the host's key has CHANGED: it was installed anew, or another machine answers in its place"
    return HostError(what, where=name, detail="\n".join(lines), hint=hint)


def _known_as(login: Login) -> str:
    """The name under which known_hosts has it: `[address]:port` where the port is not 22."""
    found = _quiet((*login.argv("true", shared=False)[:-3], "-G", "--", login.target))
    settings = dict(line.split(" ", 1) for line in found.splitlines() if " " in line)
    alias, port = settings.get("hostkeyalias", "none"), settings.get("port", "22")
    host = alias if alias not in ("none", "") else settings.get("hostname", login.target)
    return host if port == "22" or alias not in ("none", "") else f"[{host}]:{port}"


def _verbose(login: Login) -> str:
    """The same login once more, for what ssh tells only when asked for more: the keys on either side."""
    return _quiet(login.argv("true", shared=False, verbose=True))


def _quiet(argv: tuple[str, ...]) -> str:
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20, check=False, start_new_session=True
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout + done.stderr


def _of_sudo(login: Login, errors: str, name: str) -> HostError | None:
    user = login.host.user or "this user"
    if refuses_password(errors):
        hint = "it is the password of the login on that host, from NUAGES_SUDO_PASSWORD or as typed"
        return HostError("sudo does not take this password", where=name, hint=hint)
    if "not in the sudoers" in errors or "not allowed to" in errors or "may not run sudo" in errors:
        hint = "as root on the host: adduser USER sudo; or a rule in /etc/sudoers.d that allows all commands"
        return HostError(f"{user} may not become root by sudo", where=name, detail=tail(errors, 2), hint=hint)
    if needs_password(errors):
        return HostError(
            f"sudo asks {user} for a password",
            where=name,
            hint="give it in NUAGES_SUDO_PASSWORD, or run Nuages in a terminal, where it asks",
        )
    return None


def needs_password(errors: str) -> bool:
    """sudo and sudo-rs, asked not to ask."""
    return any(
        said in errors
        for said in ("a password is required", "authentication is required", "a terminal is required", "no password was provided")
    )


def refuses_password(errors: str) -> bool:
    return any(said in errors for said in ("Sorry, try again", "incorrect password", "incorrect authentication"))
