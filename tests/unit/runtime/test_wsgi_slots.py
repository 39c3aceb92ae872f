"""Many clients may wait, few may be inside the project."""

import io
import threading
import time

import pytest
import shipped_runtime  # noqa: F401
from nuages_runtime.slots import Slots
from nuages_runtime.worker import ThreadStack


def environ(body=b"", length=None):
    return {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body) if length is None else length)}


def start(status, headers):
    pass


def test_no_more_requests_than_slots_are_inside_the_project():
    slots, inside, most = Slots(2), [], []

    def project(environ, start_response):
        inside.append(1)
        most.append(len(inside))
        time.sleep(0.02)
        inside.pop()
        return [b"x"]

    def client():
        slots.run(project, environ(), start).close()

    threads = [threading.Thread(target=client) for _ in range(10)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert max(most) <= 2


def test_a_slot_is_given_back_when_the_project_fails_and_when_a_response_is_closed_twice():
    slots = Slots(1)

    def failing(environ, start_response):
        raise ValueError

    for _ in range(3):
        with pytest.raises(ValueError):
            slots.run(failing, environ(), start)
    answer = slots.run(lambda *_: [b"x"], environ(), start)
    answer.close()
    answer.close()
    assert slots.free.qsize() == 1


def test_a_body_is_whole_before_the_project_sees_it_and_a_cut_one_never_gets_there():
    slots, said = Slots(1), []
    answer = slots.run(lambda environ, _start: [environ["wsgi.input"].read()], environ(b"x" * 700_000), start)
    assert b"".join(answer) == b"x" * 700_000
    answer.close()
    assert slots.run(pytest.fail, environ(b"abc", length=10), lambda status, headers: said.append(status)) == []
    assert said == ["400 Bad Request"]


def test_the_thread_that_worked_last_works_next():
    pool = ThreadStack(10)
    names = {pool.submit(threading.get_ident).result(1) for _ in range(20) if not time.sleep(0.002)}
    pool.shutdown()
    assert len(names) == 1


def test_threads_come_as_needed_up_to_the_most_and_end_when_idle():
    pool = ThreadStack(4, idle=0.1)
    gate = threading.Event()
    jobs = [pool.submit(gate.wait, 5) for _ in range(10)]
    assert pool.count == 4
    gate.set()
    assert all(job.result(2) for job in jobs)
    deadline = time.monotonic() + 5
    while pool.count and time.monotonic() < deadline:
        time.sleep(0.02)
    assert pool.count == 0
    assert pool.submit(lambda: "again").result(1) == "again"
    pool.shutdown()


def test_an_exception_in_a_job_is_the_jobs_and_the_thread_goes_on():
    pool = ThreadStack(1)
    assert isinstance(pool.submit(lambda: 1 / 0).exception(1), ZeroDivisionError)
    assert pool.submit(lambda: 7).result(1) == 7
    pool.shutdown()
