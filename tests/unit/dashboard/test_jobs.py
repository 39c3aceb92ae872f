"""A change under way: one at a time, its plan shown before it is agreed to."""

import threading
import time

import pytest

from nuages.dashboard import jobs
from nuages.dashboard.board import Board, Seen
from nuages.dashboard.jobs import Jobs
from nuages.engine.model import Plan, Step
from nuages.errors import ReleaseError, UsageError


PLAN = Plan((Step("+", "localhost", "release v2", "code changed"), Step("~", "localhost", "traffic")))


@pytest.fixture
def board():
    return Board()


@pytest.fixture
def looked():
    return []


@pytest.fixture
def made(board, looked):
    return Jobs(board, lambda: looked.append("again"))


def wait_for(board, state):
    deadline = time.monotonic() + 5
    while (board.job or {}).get("state") != state:
        assert time.monotonic() < deadline, board.job
        time.sleep(0.005)
    return board.job


def planned(plan, done):
    def work(console):
        console.plan(plan)
        if console.agreed(plan):
            for step in plan.steps:
                console.step({"event": "begin", "text": str(step)})
                console.step({"event": "done", "text": str(step), "seconds": 0.5})
            done.append(True)

    return work


def test_the_plan_is_shown_and_waits(made, board, looked):
    done = []
    job = made.start("deploy", planned(PLAN, done))
    told = wait_for(board, "asking")
    assert [(s["action"], s["what"], s["why"]) for s in told["steps"]] == [
        ("+", "release v2", "code changed"),
        ("~", "traffic", ""),
    ]
    assert done == []
    made.answer(job.id, agree=True)
    told = wait_for(board, "done")
    assert done == [True]
    assert [(s["state"], s["seconds"]) for s in told["steps"]] == [("done", 0.5)] * 2
    assert looked == ["again"]


def test_a_plan_that_is_not_wanted_is_not_applied(made, board):
    done = []
    job = made.start("deploy", planned(PLAN, done))
    wait_for(board, "asking")
    made.answer(job.id, agree=False)
    assert wait_for(board, "declined")["error"]["what"] == "nothing was changed"
    assert done == []


def test_a_plan_that_nobody_answers_is_given_up(made, board, monkeypatch):
    monkeypatch.setattr(jobs, "PATIENCE", 0.05)
    done = []
    made.start("deploy", planned(PLAN, done))
    assert "nobody answered" in wait_for(board, "declined")["error"]["what"]
    assert done == []


def test_a_protected_site_wants_its_name(made, board):
    done = []
    job = made.start("deploy", planned(Plan(PLAN.switch, facts={"protected": "shop"}), done))
    assert wait_for(board, "asking")["protected"] == "shop"
    for name in ("", "shop-staging"):
        with pytest.raises(UsageError, match="protected"):
            made.answer(job.id, agree=True, name=name)
    made.answer(job.id, agree=True, name="shop")
    wait_for(board, "done")


def test_one_at_a_time(made, board):
    job = made.start("deploy", planned(PLAN, []))
    wait_for(board, "asking")
    with pytest.raises(UsageError, match="under way"):
        made.start("restart", planned(PLAN, []))
    made.answer(job.id, agree=False)
    wait_for(board, "declined")
    made.start("restart", planned(PLAN, []))
    wait_for(board, "asking")
    made.stop_asking()


def test_an_answer_to_an_older_plan_is_none(made, board):
    made.start("deploy", planned(PLAN, []))
    wait_for(board, "asking")
    with pytest.raises(UsageError):
        made.answer("another", agree=True)
    made.stop_asking()
    assert wait_for(board, "declined")


def test_who_ends_the_program_while_a_plan_is_made_is_not_asked_any_more(made, board):
    goes_on, done = threading.Event(), []

    def work(console):
        goes_on.wait(5)
        planned(PLAN, done)(console)

    made.start("deploy", work)
    assert made.under_way == "deploy"
    threading.Timer(0.05, goes_on.set).start()
    made.stop_asking()
    assert board.job["state"] == "declined"
    assert done == []


def test_nothing_to_do_is_told_with_its_reason(made, board):
    made.start("deploy", planned(Plan(reason="v2 is live and nothing changed"), []))
    assert wait_for(board, "nothing")["reason"] == "v2 is live and nothing changed"


def test_an_error_is_told_with_what_to_do(made, board):
    def work(_console):
        raise ReleaseError("it does not start", hint="read the log", detail="Traceback")

    made.start("deploy", work)
    error = wait_for(board, "failed")["error"]
    assert (error["what"], error["hint"], error["detail"]) == ("it does not start", "read the log", "Traceback")


def test_a_reader_gets_each_line_once(board):
    for number in range(3):
        board.show_line({"line": number})
    seen, said = board.news_since(Seen(lines=0), 0)
    assert [line["line"] for name, lines in said if name == "lines" for line in lines] == [0, 1, 2]
    board.show_line({"line": 3})
    assert board.news_since(seen, 0)[1] == [("lines", [{"line": 3}])]
