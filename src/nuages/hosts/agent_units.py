"""Units and actions on a server, changes that may lock us out, and the end of a site. See agent_ready.py."""

import base64
import contextlib
import json
import os
import shutil
import stat
import sys
import time

from agent import (
    READS,
    WRITES,
    StepFailed,
    _content,
    read_command,
    read_json,
    write_file,
    write_remove,
    write_symlink,
)
from agent_packages import (
    _must,
    _tail,
)
from agent_ready import (
    EVERYBODY,
    GUARD,
    LEDGER,
    POLICY,
    STATE,
    TOOLS,
    UNDO,
    _at,
    _entries,
    _ledger,
    _sshd_sockets,
    _units,
    read_ledger,
)


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
        if name.endswith(".timer"):  # else one of the same name would make up for the time in between (Persistent=)
            with contextlib.suppress(OSError):
                os.unlink(_at(root, "/var/lib/systemd/timers/stamp-" + name))
    with _ledger(root) as ledger:
        for name in names:
            ledger.get("units", {}).pop(name, None)


def write_restore_units(names, root="/"):
    """Units of packages: enabled and active as they were before us."""
    for name in names:
        with _ledger(root) as ledger:
            entry = ledger.get("units", {}).pop(name, None)
        state = _units([name])[name]
        if entry and state.get("LoadState") == "not-found":  # its file was taken back, and its place at boot was not
            _forget_boot(name, root)
        if not entry or state.get("LoadState") != "loaded":
            continue
        opposite = {"enable": "disable", "disable": "enable"}.get(entry["boot"])
        if opposite:
            read_command(["systemctl", "--quiet", opposite, "--", name], env=TOOLS, timeout=30)
        verb = "stop"
        if entry["before"] == "active":
            verb = "try-reload-or-restart" if state.get("ActiveState") == "active" else "start"
        read_command(["systemctl", "--quiet", verb, "--", name], env=TOOLS, timeout=150)


def _forget_boot(name, root):
    folder = _at(root, "/etc/systemd/system")
    for target in os.listdir(folder):
        link = os.path.join(folder, target, name)
        if target.endswith(".wants") and os.path.islink(link) and not os.path.exists(link):
            os.unlink(link)


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
