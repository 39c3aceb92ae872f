"""Errors are counted in the site's book, and told ten times an hour at most, by all processes together."""

import json
import logging
import subprocess
import sys
import threading

import pytest
import shipped_runtime
from nuages_runtime import recording, telling
from nuages_runtime.errorbook import MOST, Book
from nuages_runtime.recording import ErrorHandler, Recorder
from nuages_runtime.telling import HOUR, WAIT, Teller


FACTS = {"release": 3, "build": "b3", "host": "web-1", "process": "web"}
REPORTER = "django.views.debug.ExceptionReporter"
PROGRAM = shipped_runtime.RUNTIME / "errorbook.py"


class Clock:
    now = 1_000_000.0

    def __call__(self):
        return self.now


class Site:
    """A site's folder; `process` is one of its processes, with no thread of its own: `tick` is what they would do."""

    def __init__(self, folder):
        self.clock, self.sent = Clock(), []
        self.book = Book(str(folder / "errors"), self.clock)

    def process(self, release=3, name="web", **wishes):
        teller = Teller(self.book, {"site": "shop", "errors": {"mail": ["ann@shop.example"], **wishes}}, self.clock)
        teller.mail = lambda subject, text, to: self.sent.append((subject, text, to))
        recorder = Recorder(self.book, {**FACTS, "release": release, "process": name}, teller, self.clock)
        recorder.begin = recorder.mind = lambda: None
        return recorder

    def tick(self, recorder, seconds=1.0):
        self.clock.now += seconds
        recorder.flush()
        recorder.teller.tell(*recorder.taken())

    def listed(self):
        return {group["id"]: group for group in self.book.list()}


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


def fail(recorder, error=RuntimeError, message="it fails", times=1):
    for _ in range(times):
        try:
            raise error(message)  # noqa: TRY301
        except error:
            record = logging.LogRecord("shop", logging.ERROR, "shop.py", 1, "failed", (), sys.exc_info())
            recorder.take(record)


def kind(name):
    return type(name, (Exception,), {"__module__": "shop.errors"})


def test_one_kind_is_one_group_however_often_it_comes(site):
    web, worker = site.process(), site.process(name="worker")
    fail(web, times=5)
    fail(worker, message="in other words", times=2)
    site.tick(web)
    site.tick(worker)
    (group,) = site.listed().values()
    assert (group["count"], group["type"], group["releases"], group["processes"]) == (
        7,
        "RuntimeError",
        {"3": 7},
        {"web": 5, "worker": 2},
    )
    assert group["where"].startswith("fail in ")


def test_ten_thousand_errors_of_one_kind_send_one_mail_and_a_count(site):
    web = site.process()
    for _second in range(60):
        fail(web, times=167)
        site.tick(web)
    assert len(site.sent) == 1
    site.tick(web, WAIT)
    assert [subject for subject, _text, _to in site.sent] == ["shop: RuntimeError: it fails", "shop: 10019 errors more"]
    assert next(iter(site.listed().values()))["count"] == 60 * 167


def test_ten_thousand_errors_of_many_kinds_send_ten_mails_from_all_processes(site):
    processes = [site.process(name=f"web.{n}") for n in range(4)]
    for number in range(10_000):
        fail(processes[number % 4], kind(f"Kind{number % 400}"))
        if number % 160 == 159:
            for each in processes:
                site.tick(each, 0.25)
    for each in processes:
        site.tick(each)
    assert len(site.sent) == 9
    site.tick(site.process(), WAIT)  # a process that was just started goes on with what others left
    assert len(site.sent) == 10
    assert "9991 errors more" in site.sent[-1][0]
    for each in processes:
        fail(each, kind("Late"))
        site.tick(each, WAIT)
    assert len(site.sent) == 10
    assert sum(group["count"] for group in site.listed().values()) == 10_004


def test_after_an_hour_a_kind_is_told_again(site):
    web = site.process()
    fail(web)
    site.tick(web)
    fail(web)
    site.tick(web, HOUR - 10)
    assert len(site.sent) == 1
    fail(web)
    site.tick(web, 20)
    assert len(site.sent) == 2


def test_what_was_resolved_and_comes_back_is_told_at_once(site):
    web = site.process()
    fail(web)
    site.tick(web)
    (ident,) = site.listed()
    assert site.book.resolve(ident[:4]) == ident
    assert site.book.count()["open"] == {}
    later = site.process(release=4)
    fail(later)
    site.tick(later)
    assert len(site.sent) == 2
    assert (site.listed()[ident]["reopened"], site.listed()[ident]["first_release"]) == (4, 3)


def test_a_mail_server_that_fails_is_not_pestered_and_the_book_says_so(site):
    web = site.process()

    def broken(*_words):
        site.sent.append("tried")
        raise ConnectionRefusedError("no")

    web.teller.mail = broken
    for number in range(30):
        fail(web, kind(f"K{number}"))
        site.tick(web)
    assert len(site.sent) == 9
    assert "ConnectionRefusedError" in site.book.count()["mail"]


def test_a_webhook_gets_the_same(site, monkeypatch):
    monkeypatch.setenv("HOOK", "https://hooks.example/T0/secret")
    web = site.process(mail=[], webhook="HOOK")
    web.teller.post = lambda url, subject, _text: site.sent.append((url, subject))
    monkeypatch.setattr(telling, "admins", list)
    fail(web)
    site.tick(web)
    assert site.sent == [("https://hooks.example/T0/secret", "shop: RuntimeError: it fails")]


def test_a_web_process_that_ends_leaves_mail_to_its_successor(site, monkeypatch):
    monkeypatch.setenv("NUAGES_PROOF", "/nowhere")
    web = site.process()
    fail(web)
    web.close()
    assert not site.sent
    monkeypatch.delenv("NUAGES_PROOF")
    site.tick(site.process(), WAIT)
    assert site.sent[0][0] == "shop: 1 errors more"


def test_a_release_that_is_refused_fills_no_book(site, tmp_path):
    web = site.process()
    web.proof = str(tmp_path / "go")
    fail(web)
    site.tick(web)
    assert not site.listed()
    (tmp_path / "go").touch()
    fail(web)
    site.tick(web)
    assert len(site.listed()) == 1


def test_secrets_are_in_no_trace_no_message_and_no_mail(site, monkeypatch):
    monkeypatch.setenv("STRIPE_SECRET", "sk_live_canary")
    monkeypatch.setattr(telling, "_secrets", None)
    web = site.process()
    fail(web, message="refused with sk_live_canary at postgres://shop:hunter22@db/shop")
    site.tick(web)
    written = "".join(path.read_text() for path in (site.book.folder and __import__("pathlib").Path(site.book.folder)).iterdir())
    for told in (written, *map(str, site.sent)):
        assert "canary" not in told
        assert "hunter22" not in told
    assert "refused with *** at postgres://shop:***@db/shop" in written


def test_the_book_keeps_to_its_size_and_loses_no_count(site):
    found = {
        f"id{n}": {**FACTS, "count": 2, "first": n, "last": n, "type": "T", "where": "w", "message": "m"}
        for n in range(MOST + 50)
    }
    site.book.add(found)
    groups = site.listed()
    assert len(groups) <= MOST + 1
    assert sum(group["count"] for group in groups.values()) == 2 * (MOST + 50)


def test_traces_are_turned_over(site):
    trace = {"id": "a", "text": "x" * 16000}
    for _ in range(400):
        site.book.add({}, [trace])
    import pathlib

    sizes = [path.stat().st_size for path in pathlib.Path(site.book.folder).glob("traces*")]
    assert len(sizes) == 2
    assert sum(sizes) < 5 << 20


def test_recursion_and_line_numbers_make_no_new_kind(site):
    web = site.process()

    def deep(levels):
        return deep(levels - 1) if levels else {}["missing"]

    for levels in (3, 30):
        try:
            deep(levels)
        except KeyError:
            web.take(logging.LogRecord("shop", logging.ERROR, "", 1, "failed", (), sys.exc_info()))
    site.tick(web)
    (group,) = site.listed().values()
    assert group["count"] == 2


def test_a_message_without_exception_is_a_kind_by_its_template(site):
    web = site.process()
    for number in range(3):
        web.take(
            logging.LogRecord(
                "shop.tasks", logging.ERROR, "/srv/shop/source/tasks.py", 1, "order %s lost", (number,), None, "work"
            )
        )
    site.tick(web)
    (group,) = site.listed().values()
    assert (group["type"], group["count"], group["where"]) == ("shop.tasks", 3, "work in tasks.py")


def test_many_threads_lose_nothing(site):
    web = site.process()
    threads = [threading.Thread(target=fail, args=(web,), kwargs={"times": 200}) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    site.tick(web)
    assert next(iter(site.listed().values()))["count"] == 1600


def test_processes_that_write_at_once_lose_nothing(tmp_path):
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); from errorbook import Book\n"
        "one = dict(count=1, first=1, last=2, type='T', where='w', message='m', release=1, build='b', host='h', process='p')\n"
        "book = Book(sys.argv[2])\n"
        "for _ in range(50): book.add({'a': one})\n"
    )
    argv = [sys.executable, "-c", program, str(PROGRAM.parent), str(tmp_path / "errors")]
    children = [subprocess.Popen(argv) for _ in range(4)]
    assert [child.wait(60) for child in children] == [0] * 4
    assert Book(str(tmp_path / "errors")).groups()["a"]["count"] == 200


def test_the_book_is_read_by_a_python_without_anything_of_ours(site):
    web = site.process()
    fail(web)
    site.tick(web)

    def ask(*words):
        argv = [sys.executable, "-I", "-S", str(PROGRAM), site.book.folder, *words]
        return json.loads(subprocess.run(argv, capture_output=True, text=True, check=True).stdout)

    (group,) = ask("list", "0")
    assert ask("show", group["id"])["trace"]["text"].startswith("Traceback")
    assert ask("count")["open"] == {group["id"]: 3}
    assert ask("resolve", group["id"]) == {"id": group["id"]}
    assert ask("count")["open"] == {}
    assert ask("show", "nothing") is None


def test_a_record_that_two_handlers_meet_counts_once(site, monkeypatch):
    web = site.process()
    monkeypatch.setattr(recording, "recorder", web)
    record = logging.LogRecord("shop", logging.ERROR, "", 1, "failed", (), None)
    for handler in (ErrorHandler(), ErrorHandler()):
        handler.handle(record)
    site.tick(web)
    assert next(iter(site.listed().values()))["count"] == 1


def test_django_s_own_mail_of_each_error_is_replaced_and_a_project_s_is_left(monkeypatch):
    from django.utils.log import AdminEmailHandler

    class Theirs(AdminEmailHandler):
        pass

    logger = logging.getLogger("a-logger-of-this-test")
    logger.propagate = False
    root = list(logging.root.handlers)
    logger.handlers = [AdminEmailHandler(reporter_class=REPORTER), Theirs(reporter_class=REPORTER)]
    try:
        recording.attach()
        assert [type(handler) for handler in logger.handlers] == [Theirs, ErrorHandler]
        assert any(isinstance(handler, ErrorHandler) for handler in logging.root.handlers)
        recording.attach()
        assert len(logger.handlers) == 2
    finally:
        logger.handlers, logging.root.handlers[:] = [], root


def test_a_command_that_somebody_typed_fills_no_book(monkeypatch):
    monkeypatch.setenv("NUAGES_RELEASE", "/srv/shop/numbered/v3")
    monkeypatch.delenv("NUAGES_GENERATION", raising=False)
    assert recording.folder() == ""
    monkeypatch.setenv("NUAGES_GENERATION", "v3-aaaa")
    assert recording.folder() == "/srv/shop/errors"


def test_a_unit_that_fails_is_told_unless_its_generation_has_no_traffic(tmp_path, monkeypatch):
    sent = []
    release = tmp_path / "numbered" / "v3"
    release.mkdir(parents=True)
    (release / "policy.json").write_text(
        json.dumps({"site": "shop", "number": 3, "build": "b3", "errors": {"mail": ["ann@shop.example"]}})
    )
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "web.sock").symlink_to("/run/nuages-shop/v3-aaaa/web.sock")
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "cron-nightly.log").write_text("began\nwent wrong\n")
    for name, value in (("RELEASE", str(release)), ("GENERATION", "v3-aaaa")):
        monkeypatch.setenv(f"NUAGES_{name}", value)
    monkeypatch.setenv("MONITOR_SERVICE_RESULT", "exit-code")
    monkeypatch.setenv("MONITOR_EXIT_STATUS", "7")
    monkeypatch.setattr(telling, "send_mail", lambda subject, text, _to: sent.append((subject, text)))
    for unit in ("shop-cron-nightly.service", "shop-worker@v3-aaaa.1.service", "shop-web@v4-bbbb.service"):
        telling.main(unit)
    assert [subject for subject, _text in sent] == [
        "shop: UnitFailed: shop-cron-nightly ended: exit-code 7",
        "shop: UnitFailed: shop-worker ended: exit-code 7",
    ]
    assert "went wrong" in sent[0][1]
