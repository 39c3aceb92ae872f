"""How these programs end where they can't go on: one JSON object on the last line, which the agent tells as the error."""

import json
import os
import pwd
import subprocess
import sys


class RefusedError(Exception):
    def __init__(self, what, detail="", hint=""):
        super().__init__(what)
        self.what, self.detail, self.hint = what, detail, hint


def told(work):
    """Run `work`; the exit status. Whatever it raises becomes one object, and nothing of a traceback."""
    try:
        work()
    except RefusedError as error:
        return refuse(error.what, error.detail, error.hint)
    except OSError as error:
        full = error.errno == 28  # ENOSPC
        what = "the disk is full" if full else "%s: %s" % (error.filename or "file", error.strerror or error)
        return refuse(what, str(error), "free some space and run the same command again" if full else "")
    return 0


def refuse(what, detail="", hint=""):
    print(json.dumps({"error": what, "detail": detail, "hint": hint}), flush=True)
    return 1


def say(text):
    print(text, flush=True)


def as_account(name):
    """Arguments for Popen that make a process this account's; none where we are not root or it is ours."""
    if not name or os.geteuid() != 0:
        return {}
    found = pwd.getpwnam(name)
    groups = os.getgrouplist(name, found.pw_gid)
    return {"user": found.pw_uid, "group": found.pw_gid, "extra_groups": groups, "umask": 0o077}


def environment(name, more=()):
    """A clean one. Of ours only what finds programs and homes goes along, and only where it is ours."""
    base = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"}
    if name and os.geteuid() == 0:
        base.update({"HOME": pwd.getpwnam(name).pw_dir, "USER": name, "LOGNAME": name})
    else:
        base.update({key: os.environ[key] for key in ("PATH", "HOME", "USER", "LOGNAME", "TMPDIR") if key in os.environ})
    base.update(more)
    return base


def run(argv, account="", env=(), **options):
    """What it printed, as text. Raises RefusedError with the end of what it said."""
    done = start(argv, account, env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)
    out, errors = done.communicate()
    if done.returncode:
        raise RefusedError("%s ended with %d" % (os.path.basename(argv[0]), done.returncode), tail(errors or out))
    return out.decode("utf-8", "replace")


def start(argv, account="", env=(), **options):
    options.setdefault("stdin", subprocess.DEVNULL)
    options.setdefault("cwd", "/" if os.geteuid() == 0 else None)
    try:
        return subprocess.Popen(argv, env=environment(account, env), **as_account(account), **options)
    except FileNotFoundError:
        missing = os.path.basename(argv[0])
        hint = {"psql": "apt-get install postgresql-client", "pg_dump": "apt-get install postgresql-client"}.get(missing, "")
        raise RefusedError("%s is not on this machine" % missing, "", hint) from None


def tail(raw, lines=12):
    text = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else raw
    return "\n".join([line for line in text.splitlines() if line.strip()][-lines:])


def wish_of(argv):
    """The one argument: a JSON object. It holds no secrets."""
    return json.loads(argv[1]) if len(argv) > 1 else json.loads(sys.stdin.readline())
