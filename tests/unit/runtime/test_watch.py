"""A worker whose interpreter is stuck is ended by its sibling; a machine that stood still ends nobody."""

import os
import signal
import socket
import subprocess
import sys

import shipped_runtime  # noqa: F401
from nuages_runtime import watch


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


def watcher(tmp_path):
    killed = []
    made = watch.Watch(str(tmp_path / "alive"), clock=Clock(), kill=lambda pid, signum: killed.append((pid, signum)))
    made.beat()
    return made, killed


def sibling(tmp_path, pid, at, parent=None):
    (tmp_path / "alive" / str(pid)).write_text(f"{parent or os.getppid()} {at:f}")


def test_a_sibling_that_still_moves_is_left_alone(tmp_path):
    made, killed = watcher(tmp_path)
    sibling(tmp_path, 4711, at=990)
    made.look()

    assert killed == []


def test_a_sibling_that_has_not_moved_for_long_is_ended(tmp_path):
    made, killed = watcher(tmp_path)
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    made.parent = os.getpid()
    sibling(tmp_path, child.pid, at=900, parent=os.getpid())
    made.look()
    child.communicate(b"\n")

    assert killed == [(child.pid, signal.SIGKILL)]
    assert not (tmp_path / "alive" / str(child.pid)).exists()


def test_a_stranger_that_has_its_number_now_is_not(tmp_path):
    made, killed = watcher(tmp_path)
    sibling(tmp_path, os.getpid() + 1, at=900, parent=1)
    sibling(tmp_path, 1, at=900)
    made.look()

    assert killed == []


def test_what_is_no_report_is_passed_over(tmp_path):
    made, killed = watcher(tmp_path)
    (tmp_path / "alive" / "4711").write_text("")
    (tmp_path / "alive" / ".4712").write_text("half")
    made.look()

    assert killed == []


def test_systemd_is_told_where_it_says(tmp_path, monkeypatch):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        watch.tell("WATCHDOG=1")

        assert systemd.recv(100) == b"WATCHDOG=1"
