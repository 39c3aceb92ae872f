"""What a lab writes down before it does anything."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

import pytest

from nuages.lab import store
from nuages.lab.store import HostRecord, LabRecord


@pytest.fixture(autouse=True)
def lab_root(monkeypatch, tmp_path):
    monkeypatch.setenv("NUAGES_LAB_ROOT", str(tmp_path))


def test_labs_and_hosts_are_read_as_they_were_written():
    lab, host = LabRecord("lab", 3, "12 345"), HostRecord("web-1", 11, "13", "2G", "1 2", "3 4")
    store.save_lab(lab)
    store.save_host("lab", host)
    store.save_host("lab", HostRecord("a", 12, "12"))
    assert store.labs() == [lab]
    assert store.hosts("lab") == [host, HostRecord("a", 12, "12")]


def test_nothing_is_there_at_first():
    assert (store.labs(), store.hosts("lab"), store.load_lab("lab"), store.load_host("lab", "x")) == ([], [], None, None)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_process_is_known_by_its_number_and_its_beginning():
    mark = store.process_mark(os.getpid())
    assert store.alive(mark)
    assert not store.alive(f"{os.getpid()} 1")  # another had the number before
    gone = subprocess.Popen(["true"])
    assert not store.alive("")
    gone.wait()
    assert not store.alive(store.process_mark(gone.pid))


def test_a_lock_that_was_forgotten_is_made_anew_by_the_next():
    with store.locked("lab-x"):
        store.forget_lock("lab-x")
    with store.locked("lab-x"):
        assert os.path.exists(os.path.join(store.base(), "locks", "lab-x"))


def test_whoever_waited_for_a_forgotten_lock_does_not_share_it_with_a_newcomer():
    order = []

    def wait():
        with store.locked("lab-x"):
            order.append("in")
            time.sleep(0.1)
            order.append("out")

    with store.locked("lab-x"):
        waiting = threading.Thread(target=wait)
        waiting.start()
        time.sleep(0.1)
        store.forget_lock("lab-x")
    wait()
    waiting.join()
    assert order == ["in", "out", "in", "out"]
