"""Starting processes: the two of ours, each of which can start the other, and those of the site."""

import os
import signal
import socket
import subprocess
import sys

from state import start_token


def interpreter():
    """The real interpreter: the virtual environment that ran `ctl` may be gone when a respawn is due."""
    real = os.path.realpath(sys.executable)
    return real if os.path.exists(real) else sys.executable


def spawn_half(home, module, site, listeners):
    """Start `keeper` or `supervisor` with the listening sockets; the returned channel reads EOF when it dies."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    fds = [theirs.fileno()] + [listener.fileno() for listener in listeners]
    log = os.open(os.path.join(site, "logs", "keeper.log"), os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    process = subprocess.Popen(
        half_argv(home, module, site, fds[0], fds[1:]),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        pass_fds=fds,
        start_new_session=True,
        cwd="/",
        env=_plain_environment(),
    )
    os.close(log)
    theirs.close()
    process.returncode = 0  # we reap it ourselves, with everything else
    return process.pid, ours


def half_argv(home, module, site, channel, sockets):
    script = os.path.join(home, module + ".py")
    return [interpreter(), "-I", "-S", script, site, str(channel), ",".join(str(fd) for fd in sockets)]


def _plain_environment():
    return {name: os.environ[name] for name in ("PATH", "HOME", "USER", "LANG", "TZ", "TMPDIR") if name in os.environ}


def replace_self(home, module, site, channel, listeners):
    """Become the same half from other files; pid, children and fds stay."""
    fds = [channel.fileno()] + [listener.fileno() for listener in listeners]
    for fd in fds:
        os.set_inheritable(fd, True)
    argv = half_argv(home, module, site, fds[0], fds[1:])
    os.execv(argv[0], argv)


def fork_process(argv, env, cwd, log, listeners, record):
    """Start a process of the site in a session of its own.

    It runs only after `record(pid, token)` has been saved: were we killed in between, the fork would end by
    itself instead of running unknown to our successor.
    """
    gate, opener = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(opener)
            _become(argv, env, cwd, log, listeners, gate)
        except BaseException as error:
            os.write(2, ("nuages: cannot start %s: %s\n" % (argv[0], error)).encode())
        finally:
            os._exit(127)
    os.close(gate)
    try:
        record(pid, start_token(pid))
        os.write(opener, b"g")
    finally:
        os.close(opener)
    return pid


def _become(argv, env, cwd, log, listeners, gate):
    os.setsid()
    for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGPIPE, signal.SIGHUP):
        signal.signal(signum, signal.SIG_DFL)
    if os.read(gate, 1) != b"g":
        os._exit(0)
    os.chdir(cwd)
    null = os.open(os.devnull, os.O_RDONLY)
    out = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    # First out of the way of 0..9, then to their places: a dup2 must not overwrite an fd still needed.
    high = [_high(fd) for fd in [null, out] + [listener.fileno() for listener in listeners]]
    for target, fd in enumerate([high[0], high[1], high[1], *high[2:]]):
        os.dup2(fd, target)
    os.closerange(3 + len(listeners), 4096)
    env = dict(env)
    if listeners:
        env["LISTEN_FDS"] = str(len(listeners))
        env["LISTEN_PID"] = str(os.getpid())
    os.execvpe(argv[0], argv, env)


def _high(fd):
    import fcntl

    return fcntl.fcntl(fd, fcntl.F_DUPFD, 64)
