"""What runs on a host: reads in one round trip, writes step by step with a journal. Stdlib only, Python 3.9+.

A request is one JSON object on standard input; answers are JSON lines, each after the byte 0x1E so that whatever
a login shell prints is skipped. A connection that dies does not stop the step under way: SIGHUP and SIGPIPE are
ignored, and the journal on the host tells the next run where this one was.
"""

import base64
import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import time


JOURNAL_SIZE = 4 << 20


def say(event, **fields):
    try:
        sys.stdout.write("\x1e" + json.dumps({"event": event, **fields}) + "\n")
        sys.stdout.flush()
    except (BrokenPipeError, OSError):
        sys.stdout = open(os.devnull, "w")  # nobody listens any more; the work goes on


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
        "numbered": numbered,
        "config": read_json(os.path.join(dir, "config", "v%d.json" % newest)) if newest else None,
        "builds": [n for n in _names(os.path.join(dir, "releases")) if not n.endswith(".partial")],
        "venvs": _names(os.path.join(dir, "venvs")),
        "lock": read_json(os.path.join(dir, "lock.json")),
        "snapshots": _names(os.path.join(dir, "snapshots")),
        "kept_since": read_json(os.path.join(dir, "kept-since.json")),
        "unfinished": read_json(os.path.join(dir, "unfinished.json")),
        "programs": _target(os.path.join(dir, "keeper", "current")),
        "maintenance": os.path.exists(os.path.join(dir, "shared", "maintenance")),
        "maintenance_by": _first_line(os.path.join(dir, "shared", "maintenance")),
        "now": time.time(),
    }


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


def read_host():
    """What the machine can carry: cores and memory as limited by cgroups."""
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
        "platform": sys.platform,
    }


def _content(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def _memory():
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (OSError, ValueError):
        return 0


def read_command(argv, env=None, cwd=None, timeout=60):
    try:
        done = subprocess.run(
            argv,
            env=env,
            cwd=cwd,
            timeout=timeout,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
    except subprocess.TimeoutExpired:
        return {"status": 124, "stdout": "", "stderr": "no answer within %g s" % timeout}
    except OSError as error:
        return {"status": 127, "stdout": "", "stderr": str(error)}
    return {
        "status": done.returncode,
        "stdout": done.stdout.decode("utf-8", "replace"),
        "stderr": done.stderr.decode("utf-8", "replace"),
    }


def read_lock(path, token, owner, seconds):
    """Take the deploy lock, or say who holds it. A holder whose process on this machine has ended holds nothing,
    once the steps that its agent goes on with have ended too."""
    mine = {"token": token, "owner": owner, "since": time.time(), "expires": time.time() + seconds}
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with _alone(path + ".guard"):
        holder = read_json(path) or {}
        if holder and (_is_writing(os.path.dirname(path)) or _holds(holder)):
            return {"holder": holder}
        write_file(path, json.dumps(mine))
    return {"taken": True}


@contextlib.contextmanager
def _alone(path, wait=True):
    """Hold a lock of the kernel's on `path`; it ends with the process, however that ends. BlockingIOError unless `wait`."""
    with open(path, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield


def _is_writing(dir):
    try:
        with _alone(os.path.join(dir, "writing"), wait=False):
            return False
    except BlockingIOError:
        return True


def _holds(holder):
    """A process of this machine holds as long as it lives, one elsewhere until its lease ends."""
    owner = holder.get("owner", {})
    if owner.get("host") != os.uname().nodename or not owner.get("pid"):
        return holder.get("expires", 0) > time.time()
    try:
        os.kill(owner["pid"], 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return True


def read_unlock(path, token):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with _alone(path + ".guard"):
        if (read_json(path) or {}).get("token") == token:
            os.unlink(path)
    return {}


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
    "lock": read_lock,
    "unlock": read_unlock,
    "site": read_site,
    "files": read_files,
    "host": read_host,
    "command": read_command,
    "json": read_json,
}


# --- writes --------------------------------------------------------------------------------------------------


def write_mkdir(path, mode=0o755):
    os.makedirs(path, exist_ok=True)
    os.chmod(path, mode)


def write_file(path, content, mode=0o644, encoding="utf-8", only=None):
    """Whole or not at all: a reader never sees half a file, and a full disk leaves the old one.

    `only`: write over this content, and over nothing else.
    """
    if only is not None and not _holds_only(path, only):
        return
    os.makedirs(os.path.dirname(path), exist_ok=True)
    data = base64.b64decode(content) if encoding == "base64" else content.encode("utf-8")
    partial = "%s.%d.partial" % (path, os.getpid())
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(partial, mode)
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


def write_copy(path, to):
    """A whole folder, or nothing: copied beside its place, then renamed into it."""
    partial = "%s.%d.partial" % (to, os.getpid())
    shutil.rmtree(partial, ignore_errors=True)
    os.makedirs(os.path.dirname(to), exist_ok=True)
    shutil.copytree(path, partial, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    os.rename(partial, to)


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


def write_run(argv, env=None, cwd=None, timeout=600, env_file=None):
    """Run a command; its lines are progress. `env_file` is a JSON object of variables, read here (secrets stay here)."""
    environment = dict(env if env is not None else os.environ)
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
    WRITES[op["op"]](**arguments)


def describe(error):
    if isinstance(error, StepFailed):
        return error.what, error.detail, error.hint
    if isinstance(error, OSError) and error.errno == 28:
        return "the disk is full", str(error), "free some space and run the same command again"
    return "%s: %s" % (type(error).__name__, error), "", ""


def record(journal, step, state, **fields):
    if not journal:
        return
    line = {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
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
    if state == "begin" and os.path.exists(journal) and os.path.getsize(journal) > JOURNAL_SIZE:
        os.replace(journal, journal + ".1")  # the one before that goes: hundreds of deploys are left
    with open(journal, "a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def stop(_signal, _frame):
    """Somebody pressed Ctrl-C: the step under way fails, what was done is taken back."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise StepFailed("was stopped")


def main():
    for name in ("SIGHUP", "SIGPIPE"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    request = json.load(sys.stdin)
    answer = {}
    for key, question in request.get("read", {}).items():
        arguments = {k: v for k, v in question.items() if k != "kind"}
        answer[key] = READS[question["kind"]](**arguments)
    if "write" in request:
        signal.signal(signal.SIGTERM, stop)
        journal = request.get("journal")
        os.makedirs(os.path.dirname(journal), exist_ok=True)
        with _alone(os.path.join(os.path.dirname(journal), "writing")):
            carry_out(request["write"], journal)
    say("answer", answer=answer)


if __name__ == "__main__":
    main()
