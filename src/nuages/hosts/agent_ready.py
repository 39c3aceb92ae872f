"""What makes a server ready, and what it is: read in one go, changed op by op, all of it in the ledger.

It is sent beside agent.py and loaded into a namespace of its own when something of it is asked for. The ledger is /var/lib/nuages/ledger.json: what was written (digest,
mode, what lay there before), packages that came, accounts, units, actions. It is written before the thing it tells of,
so a host that dies in between has a file that is either the old one or the new one, and both are known.
`root` is another folder in place of /, for tests.
"""

import base64
import contextlib
import grp
import hashlib
import json
import os
import pwd
import re
import shutil
import stat
import struct
import sys
import time
import urllib.parse

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
    write_remove,
    write_run,
    write_symlink,
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
    listeners = ledger["occupied"]["listeners"] if "occupied" in ledger else _foreign_listeners(root)
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
    asked = ["journalctl", "-q", "-o", "cat", "-n", "200", "SYSLOG_FACILITY=4", "SYSLOG_FACILITY=10"]
    lines = read_command(asked, env=TOOLS, timeout=10)["stdout"].splitlines()
    with contextlib.suppress(OSError):
        lines += _content("/var/log/auth.log").splitlines()[-2000:]
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


# --- writes: the ledger and files ----------------------------------------------------------------------------


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


def write_directory(path, mode=0o755, owner="root", group="root", whose="", root="/"):
    place = _at(root, path)
    _make_parents(path, whose, root)
    if not os.path.isdir(place):
        os.mkdir(place, 0o700)
        with _ledger(root) as ledger:
            _entries(ledger, "directories")[path] = {"for": whose}
    _belongs(place, owner, group)
    os.chmod(place, mode)


def _make_parents(path, whose, root):
    """Folders on the way, remembered so that leaving takes those that are empty then."""
    missing, folder = [], os.path.dirname(path)
    while folder not in ("", "/") and not os.path.isdir(_at(root, folder)):
        missing.append(folder)
        folder = os.path.dirname(folder)
    if not missing:
        return
    with _ledger(root) as ledger:
        for folder in reversed(missing):
            os.mkdir(_at(root, folder), 0o755)
            os.chmod(_at(root, folder), 0o755)
            _entries(ledger, "directories").setdefault(folder, {"for": whose})


def _belongs(place, owner, group):
    if os.geteuid() != 0:
        return
    try:
        os.lchown(place, _number(owner, pwd.getpwnam, "pw_uid"), _number(group, grp.getgrnam, "gr_gid"))
    except KeyError as error:
        raise StepFailed("there is no account or group %s for %s" % (error, place)) from None


def _number(name, find, field):
    return int(name) if name.isdigit() else getattr(find(name), field)


def write_install(
    path,
    content,
    mode=0o644,
    owner="root",
    group="root",
    whose="",
    by="",
    once=False,
    expect=None,
    fresh=False,
    pending=(),
    root="/",
):
    """A file of ours. What somebody else had there is kept aside, and comes back when we leave.

    `expect`: the digest that the plan saw (None: nothing); another one now means that somebody was here since. `fresh`: a
    package that came with this plan may have put anything there. `pending`: units that must take the file in yet.
    """
    place = _at(root, path)
    lying = _lying(place)
    if once and lying:
        return
    found = (lying or {}).get("sha256") if (lying or {}).get("type") == "file" else (lying or {}).get("target")
    digest = hashlib.sha256(content.encode("utf-8")).hexdigest()
    if found not in (expect, digest) and not fresh:
        raise StepFailed("%s was changed while this was under way" % path, "", "run the same command again and look at the plan")
    with _ledger(root) as ledger:
        _remember_for_undo(path, ledger.get("files", {}).get(path), root)
        before = _entries(ledger, "files").get(path)
        if before and found not in (before["digest"], before["was"], None):
            _keep_changed(path, root)
        entry = before or {"kept": _keep(path, root) if lying else "", "before": _manners(lying)}
        new = {"digest": digest, "was": found, "mode": mode, "owner": owner, "group": group, "for": whose, "by": by, "once": once}
        ledger["files"][path] = {**entry, **new}
        for unit in pending:
            waiting = _entries(ledger, "pending")
            waiting[unit] = sorted({*waiting.get(unit, []), path})
    _make_parents(path, whose, root)
    if lying and lying["type"] == "directory":
        raise StepFailed("%s is a folder" % path, "", "move it away and run the same command again")
    _place_file(place, content.encode("utf-8"), mode, owner, group)


def _place_file(place, data, mode, owner, group):
    """As write_file, and it has its owner before it has its name."""
    partial = "%s.%d.partial" % (place, os.getpid())
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        _belongs(partial, owner, group)
        os.chmod(partial, mode)
        os.replace(partial, place)
    except BaseException:
        os.unlink(partial)
        raise


def _manners(lying):
    return {k: lying[k] for k in ("mode", "owner", "group", "type")} if lying else None


def _keep(path, root):
    """Copy what lies at `path` aside; returns where."""
    kept = KEPT + path
    place, aside = _at(root, path), _at(root, kept)
    os.makedirs(os.path.dirname(aside), exist_ok=True)
    os.chmod(_at(root, KEPT), 0o700)
    if os.path.isdir(place) and not os.path.islink(place):
        shutil.rmtree(aside, ignore_errors=True)
        shutil.copytree(place, aside, symlinks=True)
    else:
        if os.path.lexists(aside):
            os.unlink(aside)
        _copy(place, aside)
    return kept


def _copy(path, to):
    """With mode, times and owner."""
    shutil.copy2(path, to, follow_symlinks=False)
    if os.geteuid() == 0:
        info = os.lstat(path)
        os.lchown(to, info.st_uid, info.st_gid)


def _undo_file(path, root):
    return _at(root, UNDO + "/" + urllib.parse.quote(path, safe=""))


def _remember_for_undo(path, entry, root):
    """How it was before this op, for `put_back`. Root's own: it may hold a secret."""
    place, record = _at(root, path), {"entry": entry, "lying": _lying(_at(root, path))}
    if record["lying"] and record["lying"]["type"] == "file":
        with open(place, "rb") as file:
            record["content"] = base64.b64encode(file.read()).decode("ascii")
    os.makedirs(_at(root, UNDO), mode=0o700, exist_ok=True)
    write_file(_undo_file(path, root), json.dumps(record), 0o600)


def write_put_back(path, root="/"):
    """Take the last op on `path` back, with its note in the ledger. Nothing where there was none."""
    record = read_json(_undo_file(path, root))
    if record is None:
        return
    _put(_at(root, path), record["lying"], base64.b64decode(record.get("content", "")))
    with _ledger(root) as ledger:
        for kind in ("files", "links"):
            if record["entry"] is None:
                ledger.get(kind, {}).pop(path, None)
        if record["entry"] is not None:
            _entries(ledger, "links" if "target" in record["entry"] else "files")[path] = record["entry"]
    os.unlink(_undo_file(path, root))


def _put(place, lying, content):
    if lying is None:
        if os.path.lexists(place):
            os.unlink(place)
    elif lying["type"] == "link":
        write_symlink(place, lying["target"])
    elif lying["type"] == "file":
        _place_file(place, content, lying["mode"], lying["owner"], lying["group"])


def write_manners(path, mode, owner, group, root="/"):
    """Mode and owner, where only they differ."""
    _belongs(_at(root, path), owner, group)
    os.chmod(_at(root, path), mode)


def write_link(path, target, whose="", root="/"):
    place = _at(root, path)
    lying = _lying(place)
    if lying and lying["type"] == "directory":
        raise StepFailed("%s is a folder" % path, "", "move it away and run the same command again")
    with _ledger(root) as ledger:
        _remember_for_undo(path, ledger.get("links", {}).get(path), root)
        before = _entries(ledger, "links").get(path) or {"kept": _keep(path, root) if lying else "", "before": _manners(lying)}
        ledger["links"][path] = {**before, "target": target, "for": whose}
    _make_parents(path, whose, root)
    write_symlink(place, target)


def write_set_aside(path, whose="", root="/"):
    """What a package brings and what must not be: moved aside."""
    place = _at(root, path)
    if not os.path.lexists(place):
        return
    with _ledger(root) as ledger:
        kept = ledger.get("absent", {}).get(path) or {"kept": _keep(path, root)}
        _entries(ledger, "absent")[path] = {**kept, "for": whose}
    write_remove([place])


def write_bring_back(path, root="/"):
    """Where we leave: what lay at `path` before us lies there again, or nothing. What somebody changed since is kept aside."""
    with _ledger(root) as ledger:
        entry = next((found for k in ("files", "links", "absent") if (found := ledger.get(k, {}).pop(path, None))), None)
    if entry is None:
        return
    place, kept = _at(root, path), entry.get("kept")
    lying = _lying(place)
    if lying and lying["type"] == "file" and "digest" in entry and lying["sha256"] not in (entry["digest"], entry["was"]):
        if not entry.get("once"):
            _keep_changed(path, root)
    if lying and lying["type"] != "directory":
        os.unlink(place)
    if kept and os.path.lexists(_at(root, kept)):
        _return(_at(root, kept), place)


def _return(aside, place):
    os.makedirs(os.path.dirname(place), exist_ok=True)
    info = os.lstat(aside)
    shutil.move(aside, place)
    if os.geteuid() == 0:
        os.lchown(place, info.st_uid, info.st_gid)  # over file systems, move loses it


def _keep_changed(path, root):
    """A file that a person changed by hand outlives us: /root is where an administrator looks."""
    to = _at(root, "/root/nuages-changed-by-hand" + path)
    os.makedirs(os.path.dirname(to), mode=0o700, exist_ok=True)
    shutil.copy2(_at(root, path), to)


def write_forget_directories(whose, root="/"):
    """Folders that we made, where they are empty."""
    with _ledger(root) as ledger:
        ours = [path for path, entry in ledger.get("directories", {}).items() if entry["for"] in whose]
        for path in sorted(ours, key=len, reverse=True):
            with contextlib.suppress(OSError):
                os.rmdir(_at(root, path))
            if not os.path.isdir(_at(root, path)):
                del ledger["directories"][path]


# --- writes: packages and accounts ---------------------------------------------------------------------------


def write_packages(names, timeout=1800):
    """Install in one transaction, without recommendations; their services wait until somebody who knows starts them.

    The list of what comes is in the ledger before it comes, so that leaving takes exactly these.
    """
    _fresh_lists()
    arguments = ["apt-get", "install", "-y", "--no-install-recommends", *_apt_options(), "--", *names]
    came = _simulate(arguments, names)
    users, groups = _names_of(pwd.getpwall), _names_of(grp.getgrall)
    if not os.path.exists(ETC_BEFORE):
        write_file(ETC_BEFORE, json.dumps(sorted(_below("/etc"))), 0o600)
    with _ledger("/") as ledger:
        for name in came:
            _entries(ledger, "packages").setdefault(name, {"asked": name in names})
    try:
        with _services_wait():
            _apt(arguments, timeout)
    except StepFailed as error:
        raise StepFailed("these packages can't be installed: %s" % " ".join(names), error.detail, _apt_hint(error.detail))
    finally:
        with _ledger("/") as ledger:
            came_too = _entries(ledger, "came")
            came_too["users"] = sorted({*came_too.get("users", []), *(_names_of(pwd.getpwall) - users)})
            came_too["groups"] = sorted({*came_too.get("groups", []), *(_names_of(grp.getgrall) - groups)})


def _below(folder):
    """Files and links, not folders."""
    return {os.path.join(place, name) for place, _folders, names in os.walk(folder) for name in names}


def _names_of(listing):
    return {entry[0] for entry in listing()}


def _apt_options():
    options = ("Dpkg::Options::=--force-confdef", "Dpkg::Options::=--force-confold", "DPkg::Lock::Timeout=180", "Dpkg::Use-Pty=0")
    return [word for option in options for word in ("-o", option)]


def _fresh_lists():
    """apt's lists, when they are older than a day."""
    try:
        newest = max(
            entry.stat().st_mtime for entry in os.scandir("/var/lib/apt/lists") if entry.is_file() and entry.name != "lock"
        )
    except (OSError, ValueError):
        newest = 0
    if newest < time.time() - 86400:
        with contextlib.suppress(StepFailed):  # without the network, what apt has at hand may do
            _update()


def _update():
    write_run(["apt-get", "update", "-q", "-o", "DPkg::Lock::Timeout=180"], env=QUIET_APT, timeout=600)


def _simulate(arguments, names, again=True):
    """What would come. Refuses to take anything away for it."""
    told = read_command([arguments[0], "-s", *arguments[1:]], env=QUIET_APT, timeout=180)
    if told["status"] and again:
        if "dpkg --configure -a" in told["stderr"]:
            _apt(["dpkg", "--configure", "-a"], 900)
        else:
            _update()
        return _simulate(arguments, names, again=False)
    if told["status"]:
        raise StepFailed("these packages can't be installed: %s" % " ".join(names), _tail(told), _apt_hint(told["stderr"]))
    goes = re.findall(r"^Remv (\S+)", told["stdout"], re.MULTILINE)
    if goes:
        raise StepFailed(
            "installing %s would remove %s" % (" ".join(names), " ".join(goes)),
            _tail(told),
            "settle that by hand with apt-get first",
        )
    return re.findall(r"^Inst (\S+) \(", told["stdout"], re.MULTILINE)  # an upgrade has its old version in brackets first


def _apt_hint(text):
    if "Unable to locate package" in text or "no installation candidate" in text:
        return "are the sources of apt complete? See /etc/apt/sources.list and sources.list.d"
    return "apt-get says why; mend it on the server and run the same command again"


def _tail(told):
    return "\n".join((told["stderr"].strip() or told["stdout"].strip()).splitlines()[-8:])


def _apt(arguments, timeout):
    """With one more try: a mirror that moved on (404), or a dpkg that was killed the last time."""
    try:
        write_run(arguments, env=QUIET_APT, timeout=timeout)
    except StepFailed as error:
        if "dpkg --configure -a" in error.detail:
            write_run(["dpkg", "--configure", "-a"], env=QUIET_APT, timeout=900)
        elif "404" in error.detail or "Failed to fetch" in error.detail:
            _update()
        else:
            raise
        write_run(arguments, env=QUIET_APT, timeout=timeout)


@contextlib.contextmanager
def _services_wait(path=POLICY):
    """Debian's policy layer: no service starts on being installed. It holds only while this process lives."""
    if os.path.exists(path) and "nuages" not in _content(path):
        yield  # somebody's own policy stands
        return
    write_file(
        path, "#!/bin/sh\n# nuages, while it installs packages\nkill -0 %d 2>/dev/null && exit 101\nexit 0\n" % os.getpid(), 0o755
    )
    try:
        yield
    finally:
        os.unlink(path)


def write_purge(keep=(), timeout=900):
    """Exactly the packages that came with us, except those that something else needs by now, and `keep` with what it needs."""
    ours = {name for name in read_ledger().get("packages", {}) if name.split(":")[0] in _installed("/")}
    going = _going(sorted(ours - set(keep)))
    if going:
        with _etc_stays():
            _apt(["apt-get", "purge", "-y", *_apt_options(), "--", *going], timeout)
    with _ledger("/") as ledger:
        ledger["packages"] = {k: v for k, v in ledger.get("packages", {}).items() if k in ours - set(going)}


@contextlib.contextmanager
def _etc_stays():
    """What was in /etc before the first package of ours stays: some packages take files along that aren't theirs
    (purging `locales` removes /etc/default/locale)."""
    aside = STATE + "/etc-aside"
    before = [path for path in read_json(ETC_BEFORE) or [] if os.path.lexists(path)]
    for path in before:
        os.makedirs(os.path.dirname(aside + path), mode=0o700, exist_ok=True)
        _copy(path, aside + path)
    try:
        yield
    finally:
        for path in before:
            if not os.path.lexists(path):
                _return(aside + path, path)
        shutil.rmtree(aside, ignore_errors=True)


def _going(names):
    """Those of `names` that go without taking anything else along: what others need by now is left out."""
    left = list(names)
    while left and (_removed(left) - set(left)):
        needed = [name for name in left if _removed([name]) - set(left)]
        if not needed:
            return []
        left = [name for name in left if name not in needed]
    return left


def _removed(names):
    told = read_command(["apt-get", "-s", "purge", "--", *names], env=QUIET_APT, timeout=180)
    return set(re.findall(r"^(?:Purg|Remv) (\S+)", told["stdout"], re.MULTILINE))


def write_account(name, comment, home, shell, groups=(), whose=""):
    """A user with a group of its name; one with a shell gets its home made."""
    system = shell.endswith(("nologin", "false"))
    if _account(name) is None:
        with _ledger("/") as ledger:
            _entries(ledger, "accounts")[name] = {"for": whose}
        own_group = ["--gid", name] if name in _names_of(grp.getgrall) else ["--user-group"]
        kind = ["--system", "--no-create-home"] if system else ["--create-home"]
        _must(["useradd", *kind, *own_group, "--comment", comment, "--home-dir", home, "--shell", shell, name])
    elif name in read_ledger().get("accounts", {}):
        _must(["usermod", "--home", home, "--shell", shell, name])
    for group in groups:
        if group not in _account(name)["groups"]:
            _must(["usermod", "--append", "--groups", group, name])


def write_drop_account(name, root="/"):
    """An account of ours goes; its home too where useradd made it. Nothing where it was there before us."""
    with _ledger(root) as ledger:
        entry = ledger.get("accounts", {}).pop(name, None)
    found = _account(name)
    if entry and found:
        _must(["userdel", *(["--remove"] if found["home"].startswith("/home/") else []), name])


def write_drop_came():
    """Users and groups that our packages' scripts made, and that purging them leaves; not while one of the packages stays."""
    ledger = read_ledger()
    if ledger.get("packages"):
        return
    for name in ledger.get("came", {}).get("users", []):
        if _account(name):
            read_command(["userdel", name], env=TOOLS)
    for name in ledger.get("came", {}).get("groups", []):
        if name in _names_of(grp.getgrall):
            read_command(["groupdel", name], env=TOOLS)


def _must(argv, timeout=90):
    told = read_command(argv, env=TOOLS, timeout=timeout)
    if told["status"]:
        raise StepFailed("%s ended with %d" % (" ".join(argv), told["status"]), _tail(told))
    return told["stdout"]


# --- writes: units and actions -------------------------------------------------------------------------------


def write_unit(name, do, whose="", on=(), reload=False, again=False, root="/"):
    """`do` is a list of systemctl's verbs. `again`: systemd reads its unit files first. What it was before is remembered."""
    if again:
        _must(["systemctl", "daemon-reload"])
    if not name:
        return
    if whose:
        _remember_unit(name, whose, on, reload, do, root)
    listening = _sshd_sockets(root) if name == "ssh.service" else {}
    for verb in do:
        _systemctl(verb, name)
    if listening and do:
        _await_sshd(listening, root)
    with _ledger(root) as ledger:
        ledger.get("pending", {}).pop(name, None)


def _remember_unit(name, whose, on, reload, do, root):
    """`boot`: what we said of its coming up at boot, "enable" or "disable"; "" where we left that alone."""
    before = _units([name])[name].get("ActiveState", "")
    with _ledger(root) as ledger:
        entry = _entries(ledger, "units").setdefault(name, {"before": before, "boot": ""})
        entry["boot"] = next((verb for verb in do if verb in ("enable", "disable")), entry["boot"])
        shared = EVERYBODY if EVERYBODY in (whose, entry.get("for")) else whose
        entry.update({"for": shared, "on": sorted({*entry.get("on", []), *on}), "reload": reload})


def _systemctl(verb, name):
    """With a bound: a unit that is stuck in activating would hold us for minutes."""
    told = read_command(["systemctl", "--quiet", verb, "--", name], env=TOOLS, timeout=150)
    if told["status"]:
        log = read_command(["journalctl", "-q", "-n", "12", "-o", "cat", "-u", name], env=TOOLS, timeout=10)["stdout"]
        raise StepFailed(
            "systemctl %s %s failed" % (verb, name),
            "\n".join([_tail(told), log]).strip(),
            "on the server: journalctl -u %s" % name,
        )


def _await_sshd(before, root, seconds=15):
    """On a reload sshd closes its sockets and starts itself anew: until it listens again a login is refused."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        now = _sshd_sockets(root)
        if now and set(now.values()) != set(before.values()):
            return
        time.sleep(0.05)


def write_stop_units(names, root="/"):
    """Where we leave: the units and, of templates, all their instances stop and do not come back. They may be gone already."""
    for name in names:
        wanted = name.replace("@.", "@*.") if "@." in name else name
        read_command(["systemctl", "--quiet", "stop", "--", wanted], env=TOOLS, timeout=180)
        read_command(["systemctl", "--quiet", "disable", "--", name], env=TOOLS, timeout=30)
        read_command(["systemctl", "--quiet", "reset-failed", "--", wanted], env=TOOLS, timeout=30)
    with _ledger(root) as ledger:
        for name in names:
            ledger.get("units", {}).pop(name, None)


def write_restore_units(names, root="/"):
    """Units of packages: enabled and active as they were before us."""
    for name in names:
        with _ledger(root) as ledger:
            entry = ledger.get("units", {}).pop(name, None)
        state = _units([name])[name]
        if not entry or state.get("LoadState") != "loaded":
            continue
        opposite = {"enable": "disable", "disable": "enable"}.get(entry["boot"])
        if opposite:
            read_command(["systemctl", "--quiet", opposite, "--", name], env=TOOLS, timeout=30)
        verb = "stop"
        if entry["before"] == "active":
            verb = "try-reload-or-restart" if state.get("ActiveState") == "active" else "start"
        read_command(["systemctl", "--quiet", verb, "--", name], env=TOOLS, timeout=150)


def write_reload_units(names):
    """Those that run take their files in again; the others stay as they are."""
    read_command(["systemctl", "daemon-reload"], env=TOOLS, timeout=90)
    for name, state in _units(names).items():
        if state.get("LoadState") == "loaded":
            _systemctl("try-reload-or-restart", name)


def write_action(key, command, unless=None, undo=None, what="", whose="", erases=False, root="/"):
    """A command once; in the ledger after it, so that one that failed is tried again."""
    if unless is None or READS["command"](**unless)["status"] != 0:
        _carry_out(command)
    with _ledger(root) as ledger:
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        _entries(ledger, "actions")[key] = {"what": what, "for": whose, "erases": erases, "undo": undo, "at": now}


def _carry_out(command):
    """One with something to read on its standard input is awaited in silence; others tell their lines as they come."""
    if not command.get("input"):
        WRITES["run"](**{key: value for key, value in command.items() if key != "input"})
        return
    told = READS["command"](**command)
    if told["status"]:
        raise StepFailed("%s ended with %d" % (os.path.basename(command["argv"][0]), told["status"]), _tail(told))


def write_undo_action(key, root="/"):
    """Its note goes once the command that takes it back went through."""
    entry = read_ledger(root).get("actions", {}).get(key)
    if entry and entry.get("undo"):
        _carry_out(entry["undo"])
    with _ledger(root) as ledger:
        ledger.get("actions", {}).pop(key, None)


def write_empty(path, keep=(), root="/"):
    """A site's folder goes, but for what is kept in it; empty, it goes as a whole."""
    place = _at(root, path)
    write_remove([os.path.join(place, name) for name in os.listdir(place) if name not in keep] if os.path.isdir(place) else [])
    with contextlib.suppress(OSError):
        os.rmdir(place)


def write_forget(site, last=False, data=False, root="/"):
    """The site is no longer here. With the last one and its data all of ours goes; else what belongs to the data stays noted."""
    with _ledger(root) as ledger:
        ledger.get("sites", {}).pop(site, None)
        actions = ledger.get("actions", {}).items()
        ledger["actions"] = {
            key: it for key, it in actions if it["for"] not in ((site, EVERYBODY) if last else (site,)) or it["erases"]
        }
        for kind in ("units", "directories"):  # what is left of them is the other sites'
            for entry in ledger.get(kind, {}).values():
                if entry.get("for") == site:
                    entry["for"] = EVERYBODY
    shutil.rmtree(_at(root, UNDO), ignore_errors=True)
    policy = _at(root, POLICY)
    if last and os.path.exists(policy) and "nuages" in _content(policy):
        os.unlink(policy)  # of a run that the host did not live through
    if last and data:
        shutil.rmtree(_at(root, STATE), ignore_errors=True)


# --- a change that may lock us out ---------------------------------------------------------------------------


REVERT = """\
# Written by Nuages. A host that starts anew before a fresh login has confirmed the change takes it back at once.
[Unit]
Description=Take an unconfirmed change back
ConditionPathExists={script}

[Service]
Type=oneshot
ExecStart={python} -I -S {script}

[Install]
WantedBy=multi-user.target
"""
RESTORE = """\
# Written by Nuages: takes a change of {name} back, unless a fresh login has confirmed it. Ends with the change confirmed.
import base64, fcntl, json, os, subprocess
here = os.path.dirname(os.path.abspath(__file__))
os.rename(os.path.join(here, "saved.json"), os.path.join(here, "reverting.json"))  # fails where it was confirmed meanwhile
saved = json.load(open(os.path.join(here, "reverting.json")))
def systemctl(*words):
    subprocess.run(["systemctl", *words], timeout=60)
for name, active in saved["units"].items():
    if not active:
        systemctl("disable", "--now", name)
for path, old in saved["paths"].items():
    if old is None:
        if os.path.lexists(path):
            os.unlink(path)
        continue
    with open(path + ".partial", "wb") as file:
        os.fchmod(file.fileno(), old["mode"])
        file.write(base64.b64decode(old["content"]))
    os.chown(path + ".partial", old["uid"], old["gid"])
    os.replace(path + ".partial", path)
systemctl("daemon-reload")
for name, active in saved["units"].items():
    if active:
        systemctl("reload-or-restart", name)
with open(saved["ledger"] + ".lock", "w") as lock:
    fcntl.flock(lock, fcntl.LOCK_EX)
    ledger = json.load(open(saved["ledger"]))
    for kind, entries in saved["entries"].items():
        for key, entry in entries.items():
            ledger.setdefault(kind, {{}}).pop(key, None)
            if entry is not None:
                ledger[kind][key] = entry
    ledger.setdefault("reverted", []).append(saved["name"])
    with open(saved["ledger"] + ".partial", "w") as file:
        os.fchmod(file.fileno(), 0o600)
        json.dump(ledger, file, indent=1, sort_keys=True)
    os.replace(saved["ledger"] + ".partial", saved["ledger"])
for name in os.listdir(here):
    os.unlink(os.path.join(here, name))
os.rmdir(here)
for path in saved["revert"]:
    os.unlink(path)
systemctl("daemon-reload")
"""


def write_arm(name, paths, units, seconds=90):
    """From now on the change to come takes itself back after `seconds`, whatever becomes of this connection.

    Where an earlier one waits for its word still, the way back leads to before that one.
    """
    folder = os.path.join(GUARD, name)
    os.makedirs(folder, mode=0o700, exist_ok=True)
    _stop_timer(name)
    earlier = read_json(os.path.join(folder, "saved.json")) or {}
    ledger = read_ledger()
    saved = {
        "name": name,
        "ledger": LEDGER,
        "revert": _revert_files(name),
        "paths": {path: _saved(path) for path in paths},
        "units": {unit: state.get("ActiveState") == "active" for unit, state in _units(units).items()},
        "entries": {
            "files": {path: ledger.get("files", {}).get(path) for path in paths},
            "units": {unit: ledger.get("units", {}).get(unit) for unit in units},
            "pending": {unit: ledger.get("pending", {}).get(unit) for unit in units},
        },
    }
    for part in ("paths", "units"):
        saved[part].update(earlier.get(part, {}))
    for kind, entries in earlier.get("entries", {}).items():
        saved["entries"][kind].update(entries)
    write_file(os.path.join(folder, "saved.json"), json.dumps(saved), 0o600)
    script = os.path.join(folder, "restore.py")
    write_file(script, RESTORE.format(name=name), 0o600)
    python = getattr(sys, "_base_executable", sys.executable)
    unit, wanted = _revert_files(name)
    write_file(unit, REVERT.format(python=python, script=script))
    os.makedirs(os.path.dirname(wanted), exist_ok=True)
    write_symlink(wanted, unit)
    _must(["systemctl", "daemon-reload"])
    timer = ["--on-active=%d" % seconds, "--timer-property=AccuracySec=1s", "--unit=" + os.path.basename(unit)]
    _must(["systemd-run", "--quiet", *timer])


def _revert_files(name):
    """The unit that takes the change back, and the link that starts it with the host."""
    unit = "nuages-revert-%s.service" % name
    return "/etc/systemd/system/" + unit, "/etc/systemd/system/multi-user.target.wants/" + unit


def _saved(path):
    try:
        info = os.lstat(path)
        with open(path, "rb") as file:
            content = base64.b64encode(file.read()).decode("ascii")
    except FileNotFoundError:
        return None
    return {"content": content, "mode": stat.S_IMODE(info.st_mode), "uid": info.st_uid, "gid": info.st_gid}


def write_disarm(name):
    """A fresh login has worked: the change stays. Whoever renames the file first decides, this or the way back."""
    folder = os.path.join(GUARD, name)
    try:
        os.rename(os.path.join(folder, "saved.json"), os.path.join(folder, "confirmed.json"))
    except OSError:
        hint = "run the same command again; where the way to this host is slow, it may take a few tries"
        raise StepFailed("the change took itself back before a fresh login could confirm it", "", hint)
    _stop_timer(name)
    shutil.rmtree(folder, ignore_errors=True)
    write_remove(_revert_files(name))
    _must(["systemctl", "daemon-reload"])
    with _ledger("/") as ledger:
        ledger.pop("reverted", None)


def _stop_timer(name):
    read_command(["systemctl", "--quiet", "stop", "nuages-revert-%s.timer" % name], env=TOOLS, timeout=30)


def write_revert(name):
    """Take it back now rather than when its time is up."""
    _stop_timer(name)
    script = os.path.join(GUARD, name, "restore.py")
    if os.path.exists(os.path.join(GUARD, name, "saved.json")):
        _must([getattr(sys, "_base_executable", sys.executable), "-I", "-S", script], timeout=120)
        with _ledger("/") as ledger:
            ledger.pop("reverted", None)


def write_confirm(**_arguments):
    raise StepFailed("a fresh login has to confirm this, and only the client can try one")


WRITES.update(
    {
        "ledger": write_ledger,
        "directory": write_directory,
        "install": write_install,
        "put_back": write_put_back,
        "manners": write_manners,
        "link": write_link,
        "set_aside": write_set_aside,
        "bring_back": write_bring_back,
        "forget_directories": write_forget_directories,
        "packages": write_packages,
        "purge": write_purge,
        "account": write_account,
        "drop_account": write_drop_account,
        "drop_came": write_drop_came,
        "unit": write_unit,
        "stop_units": write_stop_units,
        "restore_units": write_restore_units,
        "reload_units": write_reload_units,
        "action": write_action,
        "undo_action": write_undo_action,
        "forget": write_forget,
        "empty": write_empty,
        "arm": write_arm,
        "disarm": write_disarm,
        "revert": write_revert,
        "confirm": write_confirm,
    }
)
