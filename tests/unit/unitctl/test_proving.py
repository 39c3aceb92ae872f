"""Why a generation did not start, in five lines with a hint; and the question that its socket is asked."""

import json
import os
import socket
import threading

import pytest
from fake_systemctl import FakeSystemctl
from shipped_unitctl import proving, state


PROCESS = {"name": "web", "kind": "web", "proof": True, "workers": 2, "start_timeout": 9, "env": {}}
UNIT = "shop-web@v1-aa.service"


@pytest.fixture
def site(tmp_path):
    site = state.Site(str(tmp_path / "shop"))
    site.runtime = str(tmp_path / "runtime")
    os.makedirs(os.path.join(site.runtime, "v1-aa", "proof"))
    os.makedirs(site.dir)
    return site


@pytest.fixture
def systemd(tmp_path, monkeypatch):
    systemd = FakeSystemctl(tmp_path, monkeypatch)
    systemd.set(units={UNIT: "active"})
    return systemd


def report(site, name, **values):
    with open(os.path.join(site.runtime, "v1-aa", "proof", name + ".json"), "w", encoding="utf-8") as file:
        json.dump(values, file)


def judge(site, said="", process=PROCESS):
    log = os.path.join(site.dir, "web.log")
    with open(log, "w", encoding="utf-8") as file:
        file.write(said)
    return proving.judge(site, "v1-aa", {**process, "log": log}, 0)


class Answers:
    """One answer for each connection to the socket of v1-aa, the last one again and again; what was asked is kept."""

    def __init__(self, site, *statuses):
        self.asked = []
        self.statuses = list(statuses)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(site.socket("v1-aa"))
        os.chmod(site.socket("v1-aa"), 0o666)
        self.listener.listen()
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                connection, _address = self.listener.accept()
            except OSError:
                return
            with connection:
                self.asked.append(connection.recv(4096).decode())
                status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
                connection.sendall(b"HTTP/1.1 %d X\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n" % status)

    def __enter__(self):
        return self

    def __exit__(self, *_exc):
        self.listener.close()


def with_policy(tmp_path, **policy):
    (tmp_path / "policy.json").write_text(json.dumps(policy))
    return {**PROCESS, "env": {"NUAGES_RELEASE": str(tmp_path)}}


def test_it_waits_until_every_worker_has_answered_and_the_socket_is_there(site, systemd):
    report(site, "11", ok=True)
    assert judge(site) is None
    report(site, "12", ok=True)
    assert judge(site) is None
    with Answers(site, 200):
        assert judge(site) is True


def test_what_a_worker_says_of_itself_comes_first(site, systemd):
    report(site, "11", ok=False, kind="missing-dependency", lines=["no module named 'stripe'", "at shop/pay.py:3"])
    verdict = judge(site)

    assert (verdict["kind"], verdict["lines"][0]) == ("missing-dependency", "no module named 'stripe'")
    assert "requirements" in proving.hint(verdict, site, "v1-aa")


def test_a_report_of_nonsense_is_told_and_breaks_nothing(site, systemd):
    report(site, "11", ok=False, lines=[{"a": 1}, None, "x" * 5000], kind=7)

    assert len(judge(site)["lines"][1]) == 300


def test_the_log_tells_why_a_process_ended_once_and_without_the_servers_own_lines(site, systemd):
    systemd.set(units={UNIT: "activating/auto-restart"}, more={UNIT: {"ExecMainCode": "1", "ExecMainStatus": "1"}})
    said = "2026 INFO _granian Starting granian\nbye from the project\n[ERROR] Worker (pid:3) exited\nbye from the project\n"

    assert judge(site, said)["lines"] == ["web exited with status 1 before it was ready", "bye from the project"]


def test_a_crash_in_c_code_names_the_line_that_called_it(site, systemd):
    systemd.set(units={UNIT: "failed"}, more={UNIT: {"ExecMainCode": "1", "ExecMainStatus": "1"}})
    said = 'Fatal Python error: Segmentation fault\n\nThread 0x1 (most recent call first):\n  File "/v/site-packages/x.py", line 1 in y\n  File "/srv/shop/urls.py", line 9 in <module>\n  File "<frozen runpy>", line 2 in z\n'

    assert judge(site, said)["lines"][1:] == [
        "Fatal Python error: Segmentation fault",
        'File "/srv/shop/urls.py", line 9 in <module>',
    ]


@pytest.mark.parametrize(
    ("more", "kind", "text"),
    [
        ({"ExecMainCode": "1", "ExecMainStatus": "217"}, "unit", "its user is not there"),
        ({"ExecMainCode": "1", "ExecMainStatus": "226"}, "sandbox", "its sandbox can't be set up"),
        ({"ExecMainCode": "2", "ExecMainStatus": "31"}, "sandbox", "killed by signal 31"),
        ({"ExecMainCode": "2", "ExecMainStatus": "9", "Result": "oom-kill"}, "memory", "ran out of memory"),
    ],
)
def test_what_systemd_could_not_do_has_words(site, systemd, more, kind, text):
    systemd.set(units={UNIT: "failed"}, more={UNIT: more})
    verdict = judge(site)

    assert verdict["kind"] == kind
    assert text in verdict["lines"][0]
    assert proving.hint(verdict, site, "v1-aa")


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("KeyError: 'PAYMENT_KEY'", "nuages config set PAYMENT_KEY=..."),
        (
            "django.core.exceptions.ImproperlyConfigured: Set the REDIS_URL environment variable",
            "nuages config set REDIS_URL=...",
        ),
        ("PermissionError: [Errno 13] Permission denied", "sandbox"),
    ],
)
def test_a_line_that_everybody_has_met_brings_its_hint(site, line, hint):
    assert hint in proving.hint({"kind": "exception", "process": "web", "lines": ["GET /", line]}, site, "v1-aa")


def test_the_socket_is_asked_three_times_as_the_proxy_would(site, tmp_path):
    process = with_policy(tmp_path, domains=["*.shop.example", "shop.example"], tls={"enabled": True}, health={"path": "/health"})
    with Answers(site, 200) as answers:
        assert proving.ask(site, "v1-aa", process) is True

    assert len(answers.asked) == 3
    assert answers.asked[0].startswith("GET /health HTTP/1.1\r\n")
    assert "Host: shop.example\r\n" in answers.asked[0]
    assert "X-Forwarded-Proto: https\r\n" in answers.asked[0]


def test_one_odd_answer_of_three_is_enough_to_refuse(site, tmp_path):
    with Answers(site, 200, 502) as answers:
        verdict = proving.ask(site, "v1-aa", with_policy(tmp_path))

    assert verdict["lines"][0] == "GET / answered 502, expected 2xx,3xx,401,403,404"
    assert len(answers.asked) == 2


def test_a_refused_host_is_named(site, tmp_path):
    with Answers(site, 400):
        verdict = proving.ask(site, "v1-aa", with_policy(tmp_path, domains=["shop.example"]))

    assert verdict == {"kind": "disallowed-host", "process": "web",
                       "lines": ["GET / answered 400, expected 2xx,3xx,401,403,404", "asked with the Host shop.example"]}  # fmt: skip


def test_behind_the_maintenance_page_only_life_is_asked_for(site, tmp_path):
    os.makedirs(os.path.join(site.dir, "shared", "maintenance"))
    with Answers(site, 200) as answers:
        assert proving.ask(site, "v1-aa", with_policy(tmp_path)) is True

    assert answers.asked[0].startswith("GET /-/live ")


def test_a_socket_that_the_proxy_may_not_write_to_is_no_success(site, tmp_path):
    with Answers(site, 200):
        os.chmod(site.socket("v1-aa"), 0o750)
        verdict = proving.ask(site, "v1-aa", with_policy(tmp_path))

    assert verdict["kind"] == "socket"
