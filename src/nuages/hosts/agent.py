"""What runs on a host: reads in one round trip, writes step by step with a journal. Stdlib only, Python 3.9+.

A request is one line of JSON on standard input ("z" and base64 of it compressed, where it is long); answers are JSON
lines, each after the byte 0x1E so that whatever a login shell prints is skipped. A connection that dies does not stop
the step under way: SIGHUP and SIGPIPE are ignored, and the journal on the host tells the next run where this one was.

The lock is in agent_lock.py, what only servers need in agent_server.py and agent_ready.py; each is loaded when something
of it is asked for.
"""

import _thread
import contextlib
import fcntl
import json
import os
import select
import signal
import stat
import sys
import time


class Later:
    """A module that is imported when something of it is used first: imports are most of what a read costs."""

    def __init__(self, name):
        self._name = name

    def __getattr__(self, attribute):
        return getattr(__import__(self._name), attribute)


base64, hashlib, shutil, subprocess = Later("base64"), Later("hashlib"), Later("shutil"), Later("subprocess")
JOURNAL_SIZE = 4 << 20
DEAF = 60  # seconds without a byte taken, after which nobody is thought to listen
CALLER = {}  # over SSH: "as" is the login's user, "from" the client's address
BEFORE = {}  # by the site's folder: its mark just before this process took the lock there
LEDGER = "/var/lib/nuages/ledger.json"
SOURCES = globals().get("SOURCES", {})  # over SSH: this file and those beside it, compiled, by name
REST = [
    "agent_lock.py",
    "agent_ready.py",
    "agent_certs.py",
    "agent_server.py",
    "agent_insight.py",
    "agent_files.py",
    "agent_packages.py",
    "agent_units.py",
]


SPEAKING = _thread.allocate_lock()


def say(event, **fields):
    line = "\x1e" + json.dumps({"event": event, **fields}) + "\n"
    try:
        descriptor = sys.stdout.fileno()
    except ValueError:  # no file of the kernel's
        sys.stdout.write(line)
        return
    with SPEAKING:
        try:
            _pour(descriptor, memoryview(line.encode()))
        except OSError:
            sys.stdout = open(os.devnull, "w")  # nobody listens any more; the work goes on


def _pour(descriptor, data):
    """A connection that is cut without a word must not hold up the work: its pipe fills, and nobody empties it. A pipe that
    select(2) calls writable takes this much without waiting."""
    while data:
        if not select.select([], [descriptor], [], DEAF)[1]:
            raise BrokenPipeError
        data = data[os.write(descriptor, data[: select.PIPE_BUF]) :]


# --- reads ---------------------------------------------------------------------------------------------------


def read_json(path):
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        return {"unreadable": "{}: {}".format(path, error)}


def read_site(dir):
    """Everything a deploy must know of a site before it plans."""
    live = read_json(os.path.join(dir, "live", "release.json"))
    numbered = {}
    for name in _names(os.path.join(dir, "numbered")):
        release = read_json(os.path.join(dir, "numbered", name, "release.json"))
        if release and "number" in release:
            numbered[name] = release
    configs = [n for n in _names(os.path.join(dir, "config")) if n.startswith("v") and n.endswith(".json")]
    newest = max((int(n[1:-5]) for n in configs), default=0)
    return {
        "site": read_json(os.path.join(dir, "site.json")),
        "live": live,
        "policy": read_json(os.path.join(dir, "live", "policy.json")),
        "manifest": read_json(os.path.join(dir, "releases", live["build"], "manifest.json"))
        if live and "build" in live
        else None,
        "numbered": numbered,
        "config": read_json(os.path.join(dir, "config", "v%d.json" % newest)) if newest else None,
        "builds": [n for n in _names(os.path.join(dir, "releases")) if not n.endswith(".partial")],
        "venvs": _names(os.path.join(dir, "venvs")),
        "lock": read_json(os.path.join(dir, "lock.json")),
        "snapshots": _names(os.path.join(dir, "snapshots")),
        "kept_since": read_json(os.path.join(dir, "kept-since.json")),
        "unfinished": read_json(os.path.join(dir, "unfinished.json")),
        "programs": _target(os.path.join(dir, "keeper", "current")),
        "access": read_json(os.path.join(dir, "access.json")),
        "maintenance": os.path.exists(os.path.join(dir, "shared", "maintenance")),
        "maintenance_by": _first_line(os.path.join(dir, "shared", "maintenance")),
        "of_others": _is_of_others(dir),
        "mark": (BEFORE.get(dir) or mark(dir)) if CALLER else "",
        "now": time.time(),
    }


def mark(dir):
    """Another one once anything that Nuages does here has changed anything: who looked at the host then need not look again."""
    told = []
    for path in (os.path.join(dir, "audit.jsonl"), os.path.join(dir, "live"), LEDGER):
        with contextlib.suppress(OSError):
            info = os.lstat(path)
            told.append("%d:%d:%d" % (info.st_ino, info.st_size, info.st_mtime_ns))
    return " ".join(told)


def _is_of_others(dir):
    """Does somebody else keep something under the site's name? Ours begins with a journal or pieces of a build."""
    try:
        names = set(os.listdir(dir))
    except OSError:
        return False
    begun = {"store", "venvs", "releases", "writing", "lock.json", "lock.json.guard"}
    return not names & {"site.json", "journal.jsonl", "audit.jsonl"} and bool(names - begun)


def _holds_only(path, text):
    try:
        return _content(path) == text
    except (OSError, ValueError):
        return False


def _first_line(path):
    try:
        return _content(path).partition("\n")[0]
    except (OSError, ValueError):
        return ""


def _target(path):
    try:
        return os.path.basename(os.readlink(path))
    except OSError:
        return ""


def _names(path):
    try:
        return sorted(name for name in os.listdir(path) if not name.startswith("."))
    except OSError:
        return []


def read_files(paths):
    answer = {}
    for path in paths:
        try:
            info = os.lstat(path)
        except OSError:
            answer[path] = None
            continue
        entry = {"mode": stat.S_IMODE(info.st_mode), "size": info.st_size}
        if stat.S_ISLNK(info.st_mode):
            entry["target"] = os.readlink(path)
        elif stat.S_ISREG(info.st_mode):
            with open(path, "rb") as file:
                entry["sha256"] = hashlib.sha256(file.read()).hexdigest()
        answer[path] = entry
    return answer


def read_text(path, limit=1 << 20):
    """The first `limit` bytes, or the last where it is negative; None where no such file can be read."""
    try:
        with open(path, "rb") as file:
            if limit < 0:
                file.seek(max(0, os.fstat(file.fileno()).st_size + limit))
            return file.read(abs(limit)).decode("utf-8", "replace")
    except OSError:
        return None


def read_host():
    """What the machine is, and what it can carry: cores and memory as limited by cgroups."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    memory = _memory()
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            limit = int(_content(path))
            memory = min(memory, limit) if memory else limit
        except (OSError, ValueError):
            pass
    try:
        quota, period = _content("/sys/fs/cgroup/cpu.max").split()
        cores = max(1, min(cores, -(-int(quota) // int(period))))
    except (OSError, ValueError):
        pass
    return {
        "cores": cores,
        "memory": memory,
        "python": "%d.%d.%d" % sys.version_info[:3],
        "python_path": getattr(sys, "_base_executable", sys.executable),
        "pythons": _other_pythons() if SOURCES else {},
        "platform": sys.platform,
        "hostname": os.uname().nodename,
        "uid": os.geteuid(),
        "arch": os.uname().machine,
        "libc": _libc(),
        **_system(),
        **_ssh_ports(),
    }


def _other_pythons():
    """Pythons that somebody put on a server for a project that the system's does not fit: path -> exact version. Those of
    uv are there when it was told to: `uv python install --install-dir /opt/python`."""
    import glob

    known, found = {os.path.realpath(sys.executable)}, {}
    ask = "import sys, ssl, sqlite3, venv; print('%d.%d.%d' % sys.version_info[:3])"
    for pattern in ("/usr/bin/", "/usr/local/bin/", "/opt/*/bin/", "/opt/*/*/bin/"):
        for path in sorted(glob.glob(pattern + "python3.[0-9]*")):
            real = os.path.realpath(path)
            if real in known or not os.path.basename(path)[8:].isdigit():
                continue
            known.add(real)
            answer = read_command([path, "-I", "-S", "-c", ask], timeout=10)
            if answer["status"] == 0:
                found[path] = answer["stdout"].strip()
    return found


def _system():
    """os-release(5)."""
    for path in ("/etc/os-release", "/usr/lib/os-release"):
        lines = (read_text(path) or "").splitlines()
        fields = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
        if fields:
            return {"os": fields.get("ID", "").strip("\"'"), "os_version": fields.get("VERSION_ID", "").strip("\"'")}
    return {"os": "", "os_version": ""}


def _libc():
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (AttributeError, OSError, ValueError):
        return "musl" if any(name.startswith("ld-musl") for name in _names("/lib")) else ""


def _ssh_ports():
    """Where sshd listens: the port of this very connection first, then those of its files (sshd_config(5))."""
    ports = [CALLER["port"]] if CALLER.get("port") else []
    folder = "/etc/ssh/sshd_config.d"
    for path in [os.path.join(folder, n) for n in _names(folder) if n.endswith(".conf")] + ["/etc/ssh/sshd_config"]:
        for line in (read_text(path) or "").splitlines():
            words = line.replace("=", " ").split()
            if len(words) > 1 and words[0].lower() == "match":
                break
            if len(words) > 1 and words[0].lower() == "port" and words[1].isdigit():
                ports.append(int(words[1]))
    return {"ssh_port": (ports or [22])[0], "ssh_ports": sorted(set(ports or [22]))}


def _content(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def _memory():
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (OSError, ValueError):
        return 0


def read_command(argv, env=None, cwd=None, timeout=60, user="", input=None, stream=False):
    """How a command ends. `user`: run as that account. `stream`: its lines are told as they come, and it is ended
    where nobody listens to them any more."""
    try:
        how, environment = as_user(user, env)
        done = _streamed if stream else _captured
        return done(argv, input, timeout, env=environment, cwd=cwd, **how)
    except subprocess.TimeoutExpired:
        return {"status": 124, "stdout": "", "stderr": "no answer within %g s" % timeout, "failed": "time"}
    except StepFailed as error:
        return {"status": 126, "stdout": "", "stderr": error.what, "failed": "account"}
    except OSError as error:
        return {"status": 127, "stdout": "", "stderr": str(error), "failed": "start"}


def _captured(argv, text, timeout, **how):
    said = {"stdin": subprocess.DEVNULL} if text is None else {"input": text.encode("utf-8")}
    done = subprocess.run(argv, timeout=timeout, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **said, **how)
    return _result(done.returncode, done.stdout, done.stderr)


def _result(status, stdout, stderr):
    return {"status": status, "stdout": stdout.decode("utf-8", "replace"), "stderr": stderr.decode("utf-8", "replace")}


def _streamed(argv, text, timeout, **how):
    import threading

    pipe = subprocess.PIPE
    child = subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True, **how)
    taken = {"stdout": [], "stderr": []}

    def drain(name):
        for raw in getattr(child, name):
            taken[name].append(raw)
            say("line", line=raw.decode("utf-8", "replace").rstrip("\n"))

    def feed():
        with contextlib.suppress(OSError), child.stdin:
            child.stdin.write((text or "").encode("utf-8"))

    threads = [threading.Thread(target=drain, args=(name,), daemon=True) for name in taken]
    for thread in [*threads, threading.Thread(target=feed, daemon=True)]:
        thread.start()
    end = time.monotonic() + timeout
    while child.poll() is None:
        if time.monotonic() > end or _alone_now():
            _kill_group(child)
            child.wait(5)
            raise subprocess.TimeoutExpired(argv, timeout)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(0.5)
    for thread in threads:
        thread.join(2)
    return _result(child.returncode, b"".join(taken["stdout"]), b"".join(taken["stderr"]))


def _alone_now():
    """Is the client gone? Over SSH it keeps our input open as long as it lives, so that a killed one is noticed too: its ssh
    may live on."""
    try:
        poll = select.poll()
        poll.register(sys.stdout, 0)
        if CALLER:
            poll.register(sys.stdin, select.POLLIN)
        return any(stream != 0 or why & ~select.POLLIN or os.read(0, 1) == b"" for stream, why in poll.poll(0))
    except (AttributeError, OSError, ValueError):
        return False


def as_user(name, env=None):
    """(arguments for Popen, environment) to run as an account. Nothing of root's environment goes along."""
    if not name:
        return {}, env
    import pwd

    try:
        account = pwd.getpwnam(name)
    except KeyError:
        raise StepFailed("there is no account called %s on this host" % name)
    base = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"} if env is None else {}
    base.update({"HOME": account.pw_dir, "USER": name, "LOGNAME": name})
    base.update(env or {})
    if os.geteuid() == account.pw_uid:
        return {"umask": 0o027}, base
    groups = os.getgrouplist(name, account.pw_gid)
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": groups, "umask": 0o027}, base


def read_caller():
    return CALLER


def read_supervisor(program, dir):
    if not os.path.exists(program):
        return None
    try:
        return _ask_supervisor(program, dir)
    except Exception:  # a client of another version: ask it as a program
        pass
    return read_command([getattr(sys, "_base_executable", sys.executable), "-I", "-S", program, dir, "status"], timeout=15)


def _ask_supervisor(program, dir):
    """Its own client, in this process: another Python takes longer to start than the supervisor to answer."""
    import importlib

    sys.path.insert(0, os.path.dirname(os.path.realpath(program)))
    try:
        name = os.path.splitext(os.path.basename(program))[0]
        answer = importlib.import_module(name).Client(dir, 15).status()
    finally:
        del sys.path[0]
    return {"status": 0, "stdout": json.dumps(answer), "stderr": ""}


def read_free_port(after, bind="127.0.0.1"):
    import socket

    for port in range(after, after + 1000):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            try:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((bind, port))
                return {"port": port}
            except OSError:
                pass
    return {"port": 0}


READS = {
    "free_port": read_free_port,
    "supervisor": read_supervisor,
    "caller": read_caller,
    "text": read_text,
    "site": read_site,
    "files": read_files,
    "host": read_host,
    "command": read_command,
    "json": read_json,
}


# --- writes --------------------------------------------------------------------------------------------------


def write_mkdir(path, mode=0o755, owner=None, group=None):
    os.makedirs(path, exist_ok=True)
    set_manners(path, mode, owner, group)


def set_manners(path, mode=None, owner=None, group=None):
    """By the open file: a link that another account laid in the way of root is refused."""
    info = os.lstat(path)
    others = stat.S_ISLNK(info.st_mode) and info.st_uid != os.geteuid()
    if others:
        raise StepFailed("%s is a link that somebody laid there, and is not followed" % path, "", "remove it on the server")
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | (0 if stat.S_ISLNK(info.st_mode) else os.O_NOFOLLOW))
    try:
        if owner or group:
            os.fchown(descriptor, *ids(owner, group))
        if mode is not None:
            os.fchmod(descriptor, mode)
    finally:
        os.close(descriptor)


def ids(owner, group):
    """Numbers for chown(2), -1 for what stays."""
    import grp
    import pwd

    try:
        return pwd.getpwnam(owner).pw_uid if owner else -1, grp.getgrnam(group).gr_gid if group else -1
    except KeyError:
        raise StepFailed("there is no account %s with a group %s on this host" % (owner or "(any)", group or "(any)"))


def write_file(path, content, mode=0o644, encoding="utf-8", only=None, owner=None, group=None):
    """Whole or not at all: a reader never sees half a file, and a full disk leaves the old one.

    `only`: write over this content, and over nothing else.
    """
    if only is not None and not _holds_only(path, only):
        return
    os.makedirs(os.path.dirname(path), exist_ok=True)
    data = base64.b64decode(content) if encoding == "base64" else content.encode("utf-8")
    partial = "%s.%d.partial" % (path, os.getpid())
    with contextlib.suppress(FileNotFoundError):
        os.unlink(partial)
    # In a folder that an account of the site may write to, a link of its making must not lead root elsewhere.
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fchown(file.fileno(), *ids(owner, group))
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        os.replace(partial, path)
    except BaseException:
        os.unlink(partial)
        raise


def write_symlink(path, target):
    partial = "%s.%d.partial" % (path, os.getpid())
    if os.path.lexists(partial):
        os.unlink(partial)
    os.symlink(target, partial)
    os.replace(partial, path)


def write_remove(paths, only=None):
    for path in paths:
        if only is not None and not _holds_only(path, only):
            continue
        if os.path.islink(path) or os.path.isfile(path):
            os.unlink(path)
        elif os.path.isdir(path):
            shutil.rmtree(path)


def write_copy(path, to, owner=None, group=None):
    """A whole folder, or nothing: copied beside its place, then renamed into it."""
    partial = "%s.%d.partial" % (to, os.getpid())
    shutil.rmtree(partial, ignore_errors=True)
    os.makedirs(os.path.dirname(to), exist_ok=True)
    shutil.copytree(path, partial, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    if owner or group:
        change_owner(partial, owner, group)
    os.rename(partial, to)


def change_owner(path, owner, group, recursive=True):
    """By open folders and not by paths: the account that owns them may be swapping one for a link meanwhile."""
    uid, gid = ids(owner, group)
    os.chown(path, uid, gid, follow_symlinks=False)
    if recursive and os.path.isdir(path) and not os.path.islink(path):
        for _folder, folders, names, descriptor in os.fwalk(path):
            for name in folders + names:
                os.chown(name, uid, gid, dir_fd=descriptor, follow_symlinks=False)


def write_chown(path, owner=None, group=None, mode=None, recursive=False):
    change_owner(path, owner, group, recursive)
    if mode is not None:
        set_manners(path, mode)


def write_union(path, to):
    """Hard-link every file of `path` into `to`; files that are there with the same content stay as they are."""
    for folder, _folders, names in os.walk(path):
        target = os.path.join(to, os.path.relpath(folder, path))
        os.makedirs(target, exist_ok=True)
        for name in names:
            _place(os.path.join(folder, name), os.path.join(target, name))


def write_prune(path, keep):
    """Remove from a union what none of the trees in `keep` holds any more."""
    for folder, _folders, names in os.walk(path, topdown=False):
        part = os.path.relpath(folder, path)
        for name in names:
            if not any(os.path.lexists(os.path.join(tree, part, name)) for tree in keep):
                os.unlink(os.path.join(folder, name))
        if folder != path and not os.listdir(folder):
            os.rmdir(folder)


def _place(source, target):
    try:
        new, old = os.stat(source), os.stat(target)
        if (new.st_dev, new.st_ino) == (old.st_dev, old.st_ino) or (new.st_size, new.st_mtime_ns) == (
            old.st_size,
            old.st_mtime_ns,
        ):
            return
    except OSError:
        pass
    partial = "%s.%d.partial" % (target, os.getpid())
    try:
        os.link(source, partial)
    except OSError:  # another file system, or no hard links
        shutil.copy2(source, partial)
    os.replace(partial, target)


def write_run(argv, env=None, cwd=None, timeout=600, env_file=None, user=""):
    """Run a command; its lines are progress. `env_file` is a JSON object of variables, read here (secrets stay here).
    `user`: the account that it runs as, where we are root."""
    how, environment = as_user(user, env)
    environment = dict(environment if environment is not None else os.environ)
    if env_file:
        environment.update(read_json(env_file) or {})
    release_stop = _hold_stop()
    try:
        child = subprocess.Popen(
            argv,
            env=environment,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            **how,
        )
    except BaseException:
        release_stop()
        raise
    timer = _Alarm(child, time.monotonic() + timeout)
    tail = []
    try:
        release_stop()
        for raw in child.stdout:
            line = raw.decode("utf-8", "replace").rstrip("\n")
            tail = (tail + [line])[-200:]
            say("output", line=line)
        status = child.wait()
    except BaseException:
        _kill_group(child)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(5)  # what is taken back now is not written to by it any more
        raise
    finally:
        timer.cancel()
        child.stdout.close()
    if timer.fired:
        raise StepFailed("took longer than %g s" % timeout, "\n".join(tail[-5:]))
    if status:
        raise StepFailed(*_failure(argv, status, tail))


def _hold_stop():
    """A stop that comes while a command is being started counts once there is something to end."""
    came = []
    before = signal.signal(signal.SIGTERM, lambda *_args: came.append(True))

    def release():
        signal.signal(signal.SIGTERM, before)
        if came:
            os.kill(os.getpid(), signal.SIGTERM)

    return release


def _failure(argv, status, tail):
    """Our own programs end with a JSON object that names the error; for others the last lines are all there is."""
    for line in reversed(tail):
        try:
            answer = json.loads(line)
        except ValueError:
            continue
        if isinstance(answer, dict) and answer.get("error"):
            return answer["error"], answer.get("detail", ""), answer.get("hint", "")
    what = "was killed by signal %d" % -status if status < 0 else "ended with %d" % status
    return (
        "%s %s" % (os.path.basename(argv[0]), what),
        "\n".join([line for line in tail if line.strip()][-12:]),
        "",
    )


def _kill_group(child):
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except OSError:
        pass


class _Alarm:
    def __init__(self, child, deadline):
        import threading

        self.child, self.fired = child, False
        self.timer = threading.Timer(max(0.1, deadline - time.monotonic()), self._end)
        self.timer.daemon = True
        self.timer.start()

    def _end(self):
        self.fired = True
        _kill_group(self.child)

    def cancel(self):
        self.timer.cancel()


class StepFailed(Exception):
    def __init__(self, what, detail="", hint=""):
        super().__init__(what)
        self.what, self.detail, self.hint = what, detail, hint


WRITES = {
    "mkdir": write_mkdir,
    "file": write_file,
    "symlink": write_symlink,
    "remove": write_remove,
    "copy": write_copy,
    "union": write_union,
    "prune": write_prune,
    "run": write_run,
    "chown": write_chown,
}


def carry_out(steps, journal):
    """Each step is {"text", "ops": [{"op", ...}], "undo": [...]}; what was done is undone in reverse when one fails."""
    done = []
    for number, step in enumerate(steps, 1):
        started = time.monotonic()
        try:
            record(journal, step, "begin")
            say("begin", step=number, text=step["text"])
            for op in step["ops"]:
                perform(op)
        except BaseException as error:
            record(journal, step, "failed", error=describe(error)[0])
            undone = undo([*done, step], journal)
            what, detail, hint = describe(error)
            say("failed", step=number, text=step["text"], what=what, detail=detail, hint=hint, undone=undone)
            return
        record(journal, step, "done", seconds=round(time.monotonic() - started, 3))
        say("done", step=number, text=step["text"], seconds=round(time.monotonic() - started, 3))
        done.append(step)


def undo(steps, journal):
    undone = []
    for step in reversed(steps):
        for op in step.get("undo", ()):
            try:
                perform(op)
            except BaseException as error:
                record(journal, step, "undo failed", error=describe(error)[0])
        if step.get("undo"):
            undone.append(step["text"])
    for text in undone:
        record(journal, {"text": text, "deploy": steps[-1].get("deploy", "")}, "undone")
    return undone


def perform(op):
    arguments = {k: v for k, v in op.items() if k != "op"}
    known(WRITES, op["op"])(**arguments)


def describe(error):
    if isinstance(error, StepFailed):
        return error.what, error.detail, error.hint
    if isinstance(error, OSError) and error.errno == 28:
        return "the disk is full", str(error), "free some space and run the same command again"
    return "%s: %s" % (type(error).__name__, error), "", ""


def now():
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def record(journal, step, state, **fields):
    if not journal:
        return
    line = {
        "at": now(),
        "deploy": step.get("deploy", ""),
        "step": step["text"],
        "state": state,
    }
    try:
        _journalled(journal, {**line, **fields}, state)
    except OSError:
        if state == "begin":  # afterwards, taking back and going on matter more than the note
            raise


def _journalled(journal, line, state):
    os.makedirs(os.path.dirname(journal), exist_ok=True)
    _append(journal, line, rotate=state == "begin")


def _append(path, line, rotate):
    if rotate and os.path.exists(path) and os.path.getsize(path) > JOURNAL_SIZE:
        os.replace(path, path + ".1")  # the one before that goes: hundreds of deploys are left
    with open(path, "a", encoding="utf-8", opener=_for_its_owner) as file:
        file.write(json.dumps(line) + "\n")


def _for_its_owner(path, flags):
    return os.open(path, flags, 0o600)


def known(table, name):
    """What `name` means; the files beside this one are loaded, one after another, until one tells."""
    while name not in table and REST:
        load(REST.pop(0))
    if name not in table:
        raise StepFailed("this agent knows no %s" % name)
    return table[name]


def _loaded(packed):
    import marshal

    return marshal.loads(packed) if packed else None  # noqa: S302 - of a file that root alone may write


def load(name):
    """As a module in which the names of this file are known, and which those after it may import; it adds to READS and WRITES."""
    sys.modules.setdefault("agent", sys.modules.get(__name__))
    path = name if SOURCES else os.path.join(os.path.dirname(os.path.abspath(__file__)), name)
    code = _loaded(SOURCES.get(name)) if SOURCES else compile(read_text(path, 1 << 24) or "", path, "exec")
    if code:
        module = sys.modules[name[:-3]] = type(sys)(name[:-3])
        vars(module).update({**globals(), "__name__": name[:-3], "__file__": path})
        exec(code, vars(module))


def stop(_signal, _frame):
    """Somebody pressed Ctrl-C: the step under way fails, what was done is taken back."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise StepFailed("was stopped")


def arrive(connection="", login=""):
    """Over SSH: of the login's session only the connection is kept, so that its end is not ours."""
    with contextlib.suppress(OSError):
        os.setsid()
    os.umask(0o022)
    os.chdir("/")
    words = connection.split()
    CALLER.update({"as": login, "from": words[0] if words else ""})
    if len(words) == 4:
        CALLER["port"] = int(words[3])
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    home = {"HOME": "/root", "USER": "root", "LOGNAME": "root"} if os.geteuid() == 0 else {}
    os.environ.update({"PATH": path, "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", **home})


def main():
    if SOURCES:
        arrive(*sys.argv[1:3])
    for name in ("SIGHUP", "SIGPIPE"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    request = understand(globals().get("REQUEST") or sys.stdin.buffer.readline())
    try:
        answer = read_all(request.get("read", {}), request.get("spare"))
    except StepFailed as error:
        say("failed", step=0, text="", what=error.what, detail=error.detail, hint=error.hint, undone=[])
        return
    if "write" in request:
        write(request["write"], request["journal"])
    say("answer", answer=answer)


def read_all(questions, spare=None):
    """`spare`: {"dir", "mark", "keys"}, questions that need no answer where the site's mark is still this one."""
    answers = {}
    for key, question in questions.items():
        if not (spare and key in spare["keys"] and (BEFORE.get(spare["dir"]) or mark(spare["dir"])) == spare["mark"]):
            answers[key] = read(question)
    return answers


def read(question):
    return known(READS, question["kind"])(**{k: v for k, v in question.items() if k != "kind"})


def understand(line):
    """A request that was cut off is no JSON, so nothing of it is carried out."""
    if line[:1] == b"z":
        import zlib

        line = zlib.decompress(base64.b64decode(line[1:]))
    return json.loads(line)


@contextlib.contextmanager
def _alone(path, wait=True):
    """Hold a lock of the kernel's on `path`; it ends with the process, however that ends. BlockingIOError unless `wait`.

    Whoever may read the file may hold it too, and a site must not keep root from its own replacement.
    """
    with open(path, "a+", opener=_for_its_owner) as file:
        if os.fstat(file.fileno()).st_mode & 0o077:
            os.fchmod(file.fileno(), 0o600)
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield file


def write(steps, journal):
    signal.signal(signal.SIGTERM, stop)
    folder = os.path.dirname(journal)
    os.makedirs(folder, exist_ok=True)
    with _alone(os.path.join(folder, "writing")) as file:
        file.truncate(0)
        file.write(str(os.getpid()))  # whom `cancel` stops
        file.flush()
        if _still_theirs(steps, folder):
            carry_out(steps, journal)
        file.truncate(0)


def _still_theirs(steps, dir):
    """A client that slept through the end of its lease must not write over what its successor did. Where several hosts
    are one deploy, the lock is on the first of them only; the others never heard of the token."""
    token = next((step["deploy"] for step in steps if step.get("deploy")), "")
    path = os.path.join(dir, "lock.json")
    holder = read_json(path) or {}
    mine = holder.get("token") == token
    if token and not mine and (holder or _once_held(dir, token)):
        who = holder.get("owner", {}).get("user")
        hint = "%s holds it now" % who if who else "it ended by itself, or was broken (nuages audit tells)"
        say("failed", step=1, text=steps[0]["text"], what="this deploy's lock is gone", detail="", hint=hint, undone=[])
        return False
    if token and mine:
        write_file(path, json.dumps({**holder, "steps": holder.get("steps", 0) + len(steps)}))
    return True


def _once_held(dir, token):
    lines = known(READS, "audit")(os.path.join(dir, "audit.jsonl"), 50)
    return any(line.get("deploy") == token for line in lines)


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)  # nothing is left to do, and taking an interpreter down takes longer than a read
