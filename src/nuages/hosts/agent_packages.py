"""Packages and accounts on a server: they come in one transaction, and exactly they go. See agent_ready.py."""

import contextlib
import filecmp
import grp
import json
import os
import pwd
import re
import shutil
import time

from agent import (
    WRITES,
    StepFailed,
    _content,
    read_command,
    read_json,
    write_file,
    write_run,
)
from agent_files import (
    _copy,
    _return,
)
from agent_ready import (
    ETC_BEFORE,
    POLICY,
    QUIET_APT,
    STATE,
    TOOLS,
    _account,
    _entries,
    _installed,
    _ledger,
    read_ledger,
)


WELCOME = "/var/www/html/index.nginx-debian.html"  # nginx's package lays it there, and forgets it when it is purged
WELCOME_ITSELF = "/usr/share/nginx/html/index.html"


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
        lacking = [path for path in ("/var/www", "/var/www/html", WELCOME) if not os.path.lexists(path)]
        _entries(ledger, "came").setdefault("pages", lacking)
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
    lasting = _content(path) if os.path.exists(path) else ""
    if lasting and "nuages" not in lasting:
        yield  # somebody's own policy stands
        return
    write_file(
        path, "#!/bin/sh\n# nuages, while it installs packages\nkill -0 %d 2>/dev/null && exit 101\nexit 0\n" % os.getpid(), 0o755
    )
    try:
        yield
    finally:
        if lasting and "kill -0" not in lasting:  # what a component of ours put there to stay
            write_file(path, lasting, 0o755)
        else:
            os.unlink(path)


def write_purge(keep=(), timeout=900):
    """Exactly the packages that came with us, except those that something else needs by now, and `keep` with what it needs."""
    ours = {name for name in read_ledger().get("packages", {}) if name.split(":")[0] in _installed("/")}
    going = _going(sorted(ours - set(keep)))
    if going:
        with _etc_stays(), _welcome_goes():
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


@contextlib.contextmanager
def _welcome_goes():
    """The page with which nginx came, where nobody has changed it, and the folders that came with it."""
    pages = read_ledger().get("came", {}).get("pages", [])
    untouched = os.path.isfile(WELCOME) and os.path.isfile(WELCOME_ITSELF) and filecmp.cmp(WELCOME, WELCOME_ITSELF, shallow=False)
    yield
    if "nginx-common" in _installed("/"):
        return
    if untouched and WELCOME in pages:
        os.unlink(WELCOME)
    for folder in ("/var/www/html", "/var/www"):
        if folder in pages:
            with contextlib.suppress(OSError):
                os.rmdir(folder)


def _going(names):
    """Those of `names` that go without taking anything else along, and without anything else coming in their place (locales
    for locales-all): what others need by now is left out."""
    left = list(names)
    while left and (_moved(left) - set(left)):
        needed = [name for name in left if _moved([name]) - set(left)]
        if not needed:
            return []
        left = [name for name in left if name not in needed]
    return left


def _moved(names):
    told = read_command(["apt-get", "-s", "purge", "--", *names], env=QUIET_APT, timeout=180)
    return set(re.findall(r"^(?:Purg|Remv|Inst) (\S+)", told["stdout"], re.MULTILINE))


def write_account(name, comment, home, shell, groups=(), whose=""):
    """A user with a group of its name; a person's gets its home made."""
    system = not home.startswith("/home/")
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


WRITES.update(
    {
        "packages": write_packages,
        "purge": write_purge,
        "account": write_account,
        "drop_account": write_drop_account,
        "drop_came": write_drop_came,
    }
)
