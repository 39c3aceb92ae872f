"""Commands through the gate: as the site's account, or one of the few of ours that root runs, with arguments of a known shape
and an environment of our own. What a client sends as a shell's line for root is told by its shape and done here in its place."""

import contextlib
import os
import re
import subprocess

from agent import WRITES, StepFailed, _kill_group, as_user
from beneath import Refused, number, only, text
from contents import BUILD, GENERATION, VENV, variables
from environment import COMPILE, NOTE, PROGRAM, python, python_of


HERE = os.path.dirname(os.path.realpath(__file__))
PYTHON = "/usr/bin/python3"
ROOM = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
LONGEST = 2 * 86400
KEEPS = "set -e; umask 077; path=$1 user=$2; shift 2;"  # how migrations/snapshot.py begins its line
SNAPSHOT = r"snapshots/[A-Za-z0-9._-]{1,200}\.(dump|sqlite3)"
WORDS = {
    "ensure": lambda site, rest: rest == ["--listen", site.dir + "/run/web.sock"],
    "start": lambda site, rest: len(rest) == 1,
    "prove": lambda site, rest: len(rest) in (1, 3),
    "switch": lambda site, rest: len(rest) == 1 or rest[1:] == ["--hold"],
    "discard": lambda site, rest: len(rest) == 1,
    "drain-wait": lambda site, rest: len(rest) == 2,
}


def allowed(site, op):
    """The op as it is carried out. Raises Refused."""
    only(op, "op", "argv", "env", "cwd", "timeout", "user")
    argv = [text(word, 1 << 17) for word in op["argv"]]
    timeout = number(op.get("timeout") or 600, 0, LONGEST)
    variables(op.get("env") or {})
    text(op.get("cwd") or "", 4096)
    if op.get("user") == site.account:
        return {**op, "argv": argv, "timeout": timeout}
    if op.get("user"):
        raise Refused("a deploy key runs nothing as %.40s" % op["user"])
    for shape in (_control, _environment, _compile, _snapshot):
        found = shape(site, argv, op)
        if found:
            return {**found, "timeout": timeout}
    raise Refused("a deploy key does not run %.80s as root" % " ".join(argv))


def _root(argv):
    return {"op": "run", "argv": argv, "env": ROOM}


def _control(site, argv, _op):
    """The supervisor's own program, which a person with root has put there."""
    if argv[:5] != [PYTHON, "-I", "-S", site.ctl, site.dir]:
        return None
    word, rest = (argv[5:6] or [""])[0], argv[6:]
    if word not in WORDS or not WORDS[word](site, rest):
        raise Refused("a deploy key may not say `%.40s` to the supervisor" % " ".join(argv[5:]))
    if rest and word not in ("ensure", "drain-wait") and not re.fullmatch(GENERATION, rest[0]):
        raise Refused("%.40r is no generation" % rest[0], person=False, hint="")
    if "--timeout" in rest and not re.fullmatch(r"[0-9.]{1,12}", rest[-1]):
        raise Refused("%.40r is no number of seconds" % rest[-1], person=False, hint="")
    return _root(argv)


def _environment(site, argv, _op):
    """The program is the one that was installed, whichever was sent."""
    if len(argv) != 4 or argv[1] != "-I" or not argv[2].startswith(site.store + "/"):
        return None
    site.fits(argv[3], NOTE)
    return _root([python(argv[0]), "-I", os.path.join(HERE, PROGRAM), argv[3]])


def _compile(site, argv, _op):
    if len(argv) != 7 or argv[1:4] != ["-I", "-S", "-c"] or not argv[0].endswith("/bin/python"):
        return None
    venv = re.fullmatch(r"venvs/(%s)/bin/python" % VENV, site.part(argv[0]))
    site.fits(argv[5], "releases/" + BUILD)
    if not venv or not re.fullmatch(r"[0-9]{1,2}", argv[6]):
        return None
    return {"op": "gate_compile", "key": venv.group(1), "path": argv[5], "jobs": argv[6]}


def _snapshot(site, argv, op):
    """Root keeps what the account sends; here without a shell of root's, which the client's variables would reach."""
    if len(argv) < 7 or argv[:2] != ["/bin/sh", "-c"] or not argv[2].startswith(KEEPS) or argv[3] != "sh":
        return None
    path, user = argv[4], argv[5]
    site.fits(path, SNAPSHOT)
    if user != site.account:
        raise Refused("a deploy key runs nothing as %.40s" % user)
    return {"op": "gate_snapshot", "path": path, "argv": argv[6:], "env": op.get("env"), "cwd": op.get("cwd"), "user": user}


# --- carried out here --------------------------------------------------------------------------------------------


def write_compile(key, path, jobs, timeout, site=None):
    WRITES["run"]([python_of(site, key), "-I", "-S", "-c", COMPILE, path, jobs], env=ROOM, timeout=timeout)


def write_snapshot(path, argv, env, cwd, user, timeout):
    partial = path + ".partial"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(partial)
    how, environment = as_user(user, env)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            _sent(file, argv, timeout, env=environment, cwd=cwd, **how)
            os.fsync(file.fileno())
        os.replace(partial, path)
    except BaseException:
        os.unlink(partial)
        raise


def _sent(file, argv, timeout, **how):
    pipe = subprocess.PIPE
    child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=file, stderr=pipe, start_new_session=True, **how)
    try:
        _out, said = child.communicate(timeout=timeout)
    except BaseException as error:
        _kill_group(child)
        if isinstance(error, subprocess.TimeoutExpired):
            raise StepFailed("the snapshot took longer than %g s" % timeout) from None
        raise
    if child.returncode:
        raise StepFailed("the snapshot ended with %d" % child.returncode, said.decode("utf-8", "replace")[-2000:])


WRITES["gate_snapshot"] = write_snapshot
