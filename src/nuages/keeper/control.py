"""The supervisor's unix socket: one JSON object a line, one answer each."""

import contextlib
import json
import os
import select
import signal
import socket
import traceback


NAME = "control.sock"  # relative: a socket's path is limited to about 100 bytes, so both ends chdir to its folder
TICK = 0.1


class RefusedError(Exception):
    def __init__(self, error, detail="", hint=""):
        super().__init__(error)
        self.answer = {"error": error, "detail": detail, "hint": hint}


class ControlSocket:
    def __init__(self, run_dir):
        os.chmod(run_dir, 0o700)
        os.chdir(run_dir)
        self.remove()
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(NAME)
        self.listener.listen(64)
        self.wake, waker = os.pipe()
        os.set_blocking(self.wake, False)
        os.set_blocking(waker, False)
        signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_args: None)

    def remove(self):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(NAME)

    def wait(self, channel):
        """The requests that came, and whether the keeper at the other end of the channel has died."""
        readable, _w, _x = select.select([self.listener, channel, self.wake], [], [], TICK)
        if self.wake in readable:
            os.read(self.wake, 4096)
        orphaned = channel in readable and _is_closed(channel)
        return list(self._requests() if self.listener in readable else ()), orphaned

    def _requests(self):
        connection, _address = self.listener.accept()
        connection.settimeout(2)
        try:
            line = connection.makefile("rb").readline(65536)
            yield connection, json.loads(line)
        except (OSError, ValueError):
            connection.close()

    def answer(self, connection, act, request):
        try:
            answer = act(request)
        except RefusedError as refused:
            answer = refused.answer
        except Exception as error:
            answer = {"error": repr(error), "detail": traceback.format_exc(limit=-3), "hint": ""}
        try:
            connection.sendall(json.dumps(answer).encode() + b"\n")
        except OSError:
            pass
        finally:
            connection.close()


def _is_closed(channel):
    try:
        return not channel.recv(4096)
    except ConnectionError:
        return True


def ask(run_dir, request, timeout=30):
    """Ask the supervisor; OSError when there is none."""
    here = os.open(".", os.O_RDONLY)
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client.settimeout(timeout)
    try:
        os.chdir(run_dir)
        client.connect(NAME)
        client.sendall(json.dumps(request).encode() + b"\n")
        line = client.makefile("rb").readline()
    finally:
        client.close()
        os.fchdir(here)
        os.close(here)
    if not line:
        raise ConnectionError("the supervisor ended while it answered")
    return json.loads(line)


def inherited(fds):
    """The sockets that the other half handed over on our command line."""
    for fd in fds.split(","):
        if fd:
            os.set_inheritable(int(fd), False)
            yield socket.socket(fileno=int(fd))
