"""Log lines of a site of this machine, as files grow, are cut and replaced."""

import time

import pytest

from nuages.dashboard import logs
from nuages.dashboard.board import Board
from nuages.dashboard.logs import Follower, Tail


@pytest.fixture
def file(tmp_path):
    file = tmp_path / "web.log"
    file.write_text("one\n")
    return file


def add(file, text):
    with file.open("a") as out:
        out.write(text)


def test_what_is_appended_is_told_line_by_line_and_once(file):
    tail = Tail(file)
    assert tail.news() == ["one"]
    add(file, "two\nthr")
    assert tail.news() == ["two"]
    add(file, "ee\n")
    assert tail.news() == ["three"]
    assert tail.news() == []


def test_a_file_that_was_cut_or_replaced_is_read_from_its_start(file):
    tail = Tail(file, at_end=True)
    file.write_text("2\n")
    assert tail.news() == ["2"]
    file.rename(file.with_name("web.log.1"))
    file.write_text("after it was replaced\n")
    assert tail.news() == ["after it was replaced"]


def test_a_file_that_is_gone_says_nothing(tmp_path):
    assert Tail(tmp_path / "none.log").news() == []


@pytest.fixture
def site(tmp_path, data_home):
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "manage.py").touch()
    folder = data_home / "nuages" / "shop" / "logs"
    folder.mkdir(parents=True)
    (folder / "worker.log").write_text("2026-01-01T00:00:01Z worker\n")
    (folder / "web.log").write_text("2026-01-01T00:00:00Z web\n")
    return tmp_path / "shop", folder


def told(board, count):
    deadline = time.monotonic() + 5
    while len(board.lines) < count:
        assert time.monotonic() < deadline, list(board.lines)
        time.sleep(0.01)
    return [(line["process"], line["line"]) for line in board.lines]


def test_who_watches_gets_the_last_lines_in_their_order_and_then_the_new_ones(site, monkeypatch):
    monkeypatch.setattr(logs, "PAUSE", 0.01)
    root, folder = site
    board = Board()
    with Follower(root, board).watched():
        assert told(board, 2) == [("web", "2026-01-01T00:00:00Z web"), ("worker", "2026-01-01T00:00:01Z worker")]
        add(folder / "web.log", "new\n")
        (folder / "beat.log").write_text("a process that is new\n")
        assert told(board, 4)[2:] == [("web", "new"), ("beat", "a process that is new")] or told(board, 4)[2:] == [
            ("beat", "a process that is new"),
            ("web", "new"),
        ]
    board.close()


def test_it_ends_with_the_last_and_who_comes_again_is_not_told_twice(site, monkeypatch):
    monkeypatch.setattr(logs, "PAUSE", 0.01)
    monkeypatch.setattr(logs, "LINGER", 0.0)
    root, folder = site
    board = Board()
    follower = Follower(root, board)
    with follower.watched():
        told(board, 2)
    deadline = time.monotonic() + 5
    while follower.thread is not None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    add(folder / "web.log", "meanwhile\n")
    with follower.watched():
        assert told(board, 3)[2:] == [("web", "meanwhile")]
    board.close()
