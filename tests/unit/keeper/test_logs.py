"""Rotation loses no line of a process that goes on writing."""

import signal
import subprocess
import sys

import pytest
import shipped_runtime  # noqa: F401


logs = pytest.importorskip("logs")

WRITER = """
import os, sys, time
fd = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
for number in range(60000):
    os.write(fd, b"line %d\\n" % number)
    if number % 2000 == 0:
        time.sleep(0.02)
"""


def test_no_line_is_lost_while_the_log_is_rotated_under_a_writer(tmp_path):
    log = tmp_path / "web.log"
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(log)], start_new_session=True)
    turns = 0
    while writer.poll() is None:
        turns += logs.rotate(str(log), [writer.pid], limit=50_000, keep=1000)
    written = "".join(path.read_text() for path in reversed(in_order(tmp_path)))
    assert turns > 1
    assert written.splitlines() == [f"line {number}" for number in range(60000)]


def in_order(folder):
    return sorted(folder.glob("web.log*"), key=lambda path: int(path.suffix[1:]) if path.suffix[1:].isdigit() else 0)


def test_only_so_many_old_logs_are_kept(tmp_path):
    log = tmp_path / "web.log"
    for number in range(9):
        log.write_text(f"{number} " + "x" * 100)
        logs.rotate(str(log), [], limit=10, keep=3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["web.log", "web.log.1", "web.log.2", "web.log.3"]
    assert (tmp_path / "web.log.1").read_text().startswith("8 ")


def test_a_small_log_is_left_alone(tmp_path):
    (tmp_path / "web.log").write_text("x")
    assert not logs.rotate(str(tmp_path / "web.log"), [])


def test_a_writer_runs_on_after_the_rotation(tmp_path):
    log = tmp_path / "web.log"
    log.write_text("x" * 100)
    sleeper = subprocess.Popen(["sleep", "30"], start_new_session=True)
    try:
        logs.rotate(str(log), [sleeper.pid], limit=10)
    finally:
        sleeper.send_signal(signal.SIGTERM)
    assert sleeper.wait(5) == -signal.SIGTERM  # a stopped process would not have ended
