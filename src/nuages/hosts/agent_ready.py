"""What makes a server ready, and what it is: read in one go, changed op by op, all of it in the ledger.

The reads, and the ledger: /var/lib/nuages/ledger.json tells what was written (digest, mode, what lay there before), packages
that came, accounts, units, actions. It is written before the thing it tells of, so a host that dies in between has a file
that is either the old one or the new one, and both are known. The writes are in agent_files.py, agent_packages.py and
agent_units.py. `root` is another folder in place of /, for tests.
"""

import contextlib
import grp
import hashlib
import json
import os
import pwd
import re
import stat
import struct
import time

from agent import (
    CALLER,
    READS,
    WRITES,
    StepFailed,
    _alone,
    _content,
    _names,
    read_command,
    read_json,
    write_file,
)


STATE = "/var/lib/nuages"
LEDGER = STATE + "/ledger.json"
KEPT = STATE + "/kept"
UNDO = STATE + "/undo"
GUARD = STATE + "/guard"
POLICY = "/usr/sbin/policy-rc.d"
ETC_BEFORE = STATE + "/etc-before.json"  # names of all files in /etc before the first package of ours
TOOLS = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
QUIET_APT = {
    **TOOLS,
    "DEBIAN_FRONTEND": "noninteractive",
    "NEEDRESTART_SUSPEND": "1",
    "APT_LISTCHANGES_FRONTEND": "none",
    "UCF_FORCE_CONFFOLD": "1",
}
EVERYBODY = "*"  # in the ledger's "for": of the host, and not of one site
UNIT_FACTS = ("Id", "LoadState", "ActiveState", "UnitFileState", "NeedDaemonReload")
# Listen on every fresh server, and serve nobody else.
AT_HOME = ("sshd", "systemd", "systemd-resolve", "systemd-network", "systemd-timesyn", "dhclient", "dhcpcd", "chronyd", "init")
AT_HOME_ON_LOOPBACK = ("exim4", "master", "cupsd", "containerd")
SITES = (("/etc/nginx/sites-enabled", "default"), ("/etc/nginx/conf.d", ""), ("/etc/apache2/sites-enabled", "000-default.conf"))


# --- the ledger ----------------------------------------------------------------------------------------------


def _at(root, path):
    return os.path.normpath(root + "/" + path)


def read_ledger(root="/"):
    found = read_json(_at(root, LEDGER))
    if found and "unreadable" in found:
        raise StepFailed(
            found["unreadable"], "", "restore the ledger from a backup; without it nobody knows what lay on this server before"
        )
    return found or {"schema": 1}


def _write_ledger(ledger, root):
    os.makedirs(_at(root, STATE), exist_ok=True)
    os.chmod(_at(root, STATE), 0o711)  # the swap file's and guard's own folders are closed
    write_file(_at(root, LEDGER), json.dumps(ledger, indent=1, sort_keys=True), 0o600)


@contextlib.contextmanager
def _ledger(root):
    """Change it alone: a guard that reverts writes it too."""
    os.makedirs(_at(root, STATE), exist_ok=True)
    with _alone(_at(root, LEDGER) + ".lock"):
        ledger = read_ledger(root)
        yield ledger
        _write_ledger(ledger, root)


def _entries(ledger, kind):
    return ledger.setdefault(kind, {})


# --- reads ---------------------------------------------------------------------------------------------------


def read_ready(packages=(), accounts=(), paths=(), units=(), ports=(), site="", root="/"):
    """Everything that readiness compares, and the ledger. Without units it starts no process."""
    ledger = read_ledger(root)
    known = [*ledger.get("files", {}), *ledger.get("links", {}), *ledger.get("absent", {})]
    units = sorted({*units, *ledger.get("units", {})})
    installed = _installed(root)
    claimed = ledger.get("sites", {}).get(site, {}).get("ports", [])
    return {
        "ledger": ledger,
        "packages": {name: name in installed for name in packages},
        "compilers": sorted({"gcc", "g++", "make", "build-essential"} & installed & set(ledger.get("packages", {}))),
        "accounts": {name: _account(name) for name in accounts},
        "paths": {path: _lying(_at(root, path)) for path in {*paths, *known}},
        "units": _units(units),
        "occupied": ledger.get("occupied") or _occupied(installed, root),
        "listeners": [] if set(ports) <= set(claimed) else _listeners(root),
        "guards": _names(_at(root, GUARD)),
    }


def _installed(root):
    try:
        text = _content(_at(root, "/var/lib/dpkg/status"))
    except OSError:
        return set()
    return set(re.findall(r"^Package: (\S+)\n(?:[^\n]+\n)*?Status: \S+ \S+ installed$", text, re.MULTILINE))


def _account(name):
    try:
        found = pwd.getpwnam(name)
    except KeyError:
        return None
    groups = sorted(g.gr_name for g in grp.getgrall() if name in g.gr_mem)
    return {"uid": found.pw_uid, "gid": found.pw_gid, "home": found.pw_dir, "shell": found.pw_shell, "groups": groups}


def _lying(path):
    try:
        info = os.lstat(path)
    except OSError:
        return None
    entry = {"mode": stat.S_IMODE(info.st_mode), "owner": _user_name(info.st_uid), "group": _group_name(info.st_gid)}
    if stat.S_ISLNK(info.st_mode):
        return {**entry, "type": "link", "target": os.readlink(path)}
    if stat.S_ISDIR(info.st_mode):
        return {**entry, "type": "directory"}
    if stat.S_ISREG(info.st_mode):
        with open(path, "rb") as file:
            return {**entry, "type": "file", "sha256": hashlib.sha256(file.read()).hexdigest()}
    return {**entry, "type": "other"}


def _user_name(number):
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _group_name(number):
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)


def _units(names):
    """One question for all. A template has no state of its own: of `x@.service` only the file's is told."""
    plain = [name for name in names if "@." not in name]
    states = {}
    if plain:
        shown = read_command(["systemctl", "show", "--property=" + ",".join(UNIT_FACTS), "--", *plain], env=TOOLS, timeout=20)
        blocks = shown["stdout"].split("\n\n")
        for number, name in enumerate(plain[: len(blocks)]):
            states[name] = dict(line.split("=", 1) for line in blocks[number].splitlines() if "=" in line)
    for name in names:
        states.setdefault(name, {})
    return states


# --- does it serve others? -----------------------------------------------------------------------------------


def _occupied(installed, root):
    """Asked before anything of ours is there; the answer is remembered in the ledger."""
    return {
        "listeners": _foreign_listeners(root),
        "sites": [os.path.join(folder, name) for folder, usual in SITES for name in _names(_at(root, folder)) if name != usual],
        "rules": _rules(root),
        "databases": _databases(root),
    }


def _foreign_listeners(root):
    return [
        known
        for known in _listeners(root)
        if known["program"] not in AT_HOME and not (known["local"] and known["program"] in AT_HOME_ON_LOOPBACK)
    ]


def _listeners(root="/"):
    """Sockets that wait for others: [{"port", "protocol", "address", "local", "program"}]."""
    found = _sockets(root)
    programs = _programs(set(found.values()), root)
    return [
        {
            "port": port,
            "protocol": protocol,
            "address": address,
            "local": address.startswith("127.") or address == "::1",
            "program": programs.get(inode, ""),
        }
        for (port, protocol, address), inode in sorted(found.items())
    ]


def _sockets(root):
    """(port, protocol, address) -> inode: of TCP those that listen, of UDP those without a peer below the ports of clients."""
    found = {}
    for name, state, below in (("tcp", "0A", 65536), ("tcp6", "0A", 65536), ("udp", "07", 32768), ("udp6", "07", 32768)):
        try:
            lines = _content(_at(root, "/proc/net/" + name)).splitlines()[1:]
        except OSError:
            continue
        for fields in (line.split() for line in lines):
            address, port = _address(fields[1])
            if fields[3] == state and port < below:
                found.setdefault((port, name[:3], address), fields[9])
    return found


def _address(text):
    import socket

    raw, port = text.split(":")
    words = struct.pack("=%dI" % (len(raw) // 8), *(int(raw[i : i + 8], 16) for i in range(0, len(raw), 8)))
    return socket.inet_ntop(socket.AF_INET if len(words) == 4 else socket.AF_INET6, words), int(port, 16)


def _programs(inodes, root):
    """Inode of a socket -> name of the process that holds it."""
    wanted, found = {"socket:[%s]" % inode: inode for inode in inodes}, {}
    for pid in (name for name in _names(_at(root, "/proc")) if name.isdigit()):
        folder = _at(root, "/proc/%s/fd" % pid)
        with contextlib.suppress(OSError):
            for descriptor in os.listdir(folder):
                with contextlib.suppress(OSError):
                    inode = wanted.get(os.readlink(os.path.join(folder, descriptor)))
                    if inode:
                        found.setdefault(inode, _content(_at(root, "/proc/%s/comm" % pid)).strip())
    return found


def _rules(root):
    """Tables of nftables with rules or a refusing policy, and tables of the old iptables; ufw is met in its own way."""
    if root != "/":
        return []
    found, table = [], ""
    for line in read_command(["nft", "list", "ruleset"], env=TOOLS, timeout=10)["stdout"].splitlines():
        words = line.strip()
        if line.startswith("table "):
            table = line.rstrip(" {")
        elif table not in found and (_is_rule(words) or "policy drop" in words):
            found.append(table)
    with contextlib.suppress(OSError):
        found += ["iptables: " + name for name in _content("/proc/net/ip_tables_names").split()]
    return [] if _ufw(root) else [name for name in found if name != "table inet nuages"]


def _is_rule(words):
    return bool(words) and words != "}" and not words.startswith(("chain ", "set ", "map ", "#", "policy ", "type "))


def _databases(root):
    """Databases of other people: PostgreSQL's by name where it answers, else its clusters; MySQL's folder."""
    clusters = [
        os.path.join(version, name)
        for version in _names(_at(root, "/etc/postgresql"))
        for name in _names(_at(root, "/etc/postgresql/" + version))
    ]
    if clusters and root == "/":
        asked = "SELECT datname FROM pg_database WHERE NOT datistemplate AND datname <> 'postgres'"
        told = read_command(["runuser", "-u", "postgres", "--", "psql", "-XAtc", asked], env=TOOLS, timeout=10)
        if told["status"] == 0:
            clusters = told["stdout"].split()
    others = ["mysql" for name in _names(_at(root, "/var/lib/mysql")) if name == "mysql"]
    return ["postgresql " + name for name in clusters] + others


# --- what a description of the base must know ----------------------------------------------------------------


def read_base(root="/"):
    """Facts that stay as they were first found (the ledger's), then what the machine says now."""
    ledger = read_ledger(root)
    remembered = ledger.get("facts", {})
    occupied = ledger.get("occupied") or {}
    listeners = occupied["listeners"] if occupied else _foreign_listeners(root)
    login = remembered if "login" in remembered else _login(root)
    return {
        **login,
        "includes": _includes_drop_ins(root),
        "container": _container(root),
        "swap": _foreign_swap(root),
        "disk": _free(_at(root, "/var")),
        "file_system": _file_system(root),
        "ufw": _ufw(root),
        "clock": _clock(root, remembered),
        "sshd_ports": _sshd_ports(root),
        "neighbours": sorted({"%s/%d" % (it["protocol"], it["port"]) for it in listeners if not it["local"]}),
        "taken": {} if occupied else {str(it["port"]): it["program"] for it in listeners if it["protocol"] == "tcp"},
        "databases": occupied.get("databases", []) if occupied else _databases(root),
    }


def _login(root):
    """Who is logged in, how that was proved, and with which keys he may come: [] where none are listed."""
    variables = _session_variables()
    name = CALLER.get("as") or variables.get("SUDO_USER") or variables.get("LOGNAME") or variables.get("USER") or "root"
    try:
        home = pwd.getpwnam(name).pw_dir
        keys = [line for line in _content(_at(root, home + "/.ssh/authorized_keys")).splitlines() if line and line[0] != "#"]
    except (KeyError, OSError):
        keys = []
    return {"login": name, "by_key": _came_by_key(variables), "keys": keys}


def _session_variables():
    """Of this process and those above it: sudo hides SSH_CONNECTION."""
    found, pid = {}, os.getpid()
    for _generation in range(12):
        try:
            with open("/proc/%d/environ" % pid, "rb") as file:
                pairs = [p.partition("=") for p in file.read().decode("utf-8", "replace").split("\0") if "=" in p]
            found = {**{k: v for k, _equals, v in pairs}, **found}
            pid = int(_content("/proc/%d/stat" % pid).rpartition(")")[2].split()[1])
        except (OSError, ValueError):
            break
        if pid <= 1:
            break
    return found


def _came_by_key(variables):
    """By sshd's own log of this connection; None where it does not tell."""
    address, port = ([*variables.get("SSH_CONNECTION", "").split(), "", ""])[:2]
    if not port:
        return None
    # On a public address strangers fill this log with their tries, hundreds in a minute. It is asked once in a host's life.
    asked = ["journalctl", "-q", "-o", "cat", "-n", "20000", "SYSLOG_FACILITY=4", "SYSLOG_FACILITY=10"]
    lines = read_command(asked, env=TOOLS, timeout=10)["stdout"].splitlines()
    with contextlib.suppress(OSError):
        lines += _content("/var/log/auth.log").splitlines()[-20000:]
    for line in reversed(lines):
        found = re.search(r"Accepted (\S+) for \S+ from (\S+) port (\d+)", line)
        if found and found.group(2) == address and found.group(3) == port:
            return found.group(1) in ("publickey", "hostbased", "gssapi-with-mic")
    return None


def _sshd_ports(root):
    """Where it listens now, whatever its files say. [] where systemd listens for it: then its port is that of the login."""
    return sorted({port for port, _protocol, _address in _sshd_sockets(root)})


def _sshd_sockets(root):
    try:
        folder = _at(root, "/proc/%d/fd" % int(_content(_at(root, "/run/sshd.pid"))))
        held = {os.readlink(os.path.join(folder, name)) for name in os.listdir(folder)}
    except (OSError, ValueError):
        return {}
    return {where: inode for where, inode in _sockets(root).items() if "socket:[%s]" % inode in held}


def _includes_drop_ins(root):
    try:
        text = _content(_at(root, "/etc/ssh/sshd_config"))
    except OSError:
        return False
    return bool(re.search(r"^\s*Include\s+/etc/ssh/sshd_config\.d/\*\.conf", text, re.MULTILINE | re.IGNORECASE))


def _container(root):
    for path in ("/run/systemd/container", "/run/host/container-manager"):
        with contextlib.suppress(OSError):
            return _content(_at(root, path)).strip()
    return ""


def _foreign_swap(root):
    """Bytes of swap that are not ours."""
    try:
        lines = _content(_at(root, "/proc/swaps")).splitlines()[1:]
    except OSError:
        return 0
    return sum(int(line.split()[2]) * 1024 for line in lines if not line.startswith(STATE))


def _free(path):
    try:
        found = os.statvfs(path)
    except OSError:
        return 0
    return found.f_bavail * found.f_frsize


def _file_system(root):
    with contextlib.suppress(OSError):
        for line in _content(_at(root, "/proc/mounts")).splitlines():
            if line.split()[1] == "/":
                return line.split()[2]
    return ""


def _ufw(root):
    try:
        return "ENABLED=yes" in _content(_at(root, "/etc/ufw/ufw.conf"))
    except OSError:
        return False


def _clock(root, remembered):
    """The program that keeps the time, where one other than systemd's was there before us."""
    if "clock" in remembered:
        return remembered["clock"]
    return next((name for name in ("chrony", "ntpsec", "ntp", "openntpd") if name in _installed(root)), "")


READS.update({"ready": read_ready, "base": read_base})


# --- the first write ----------------------------------------------------------------------------------------------------


def write_ledger(site="", ports=(), occupied=None, root="/"):
    """The site is on this host from now on; what the host was when we came is remembered once."""
    base = read_base(root)
    with _ledger(root) as ledger:
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        ledger.setdefault("facts", {key: base[key] for key in ("login", "by_key", "keys", "clock")})
        claim = _entries(ledger, "sites").setdefault(site, {"since": now})
        claim["ports"] = sorted(ports)
        if occupied is not None and "occupied" not in ledger:
            ledger["occupied"] = {**occupied, "seen": now}


WRITES["ledger"] = write_ledger
