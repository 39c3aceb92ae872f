"""A web command of the project's own gets $PORT, is asked before it gets traffic, and ends what it began."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest


RELAY = Path(__file__).parents[3] / "src" / "nuages" / "runtime" / "relay.py"
SERVER = """
import http.server, os, time
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/slow": time.sleep(1)
        body = self.headers["Host"].encode()
        self.send_response(500 if self.path == "/broken" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_args): pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Page).serve_forever()
"""


AS_THREE = "import os, sys; os.dup2(int(sys.argv[1]), 3); os.set_inheritable(3, True); os.execv(sys.argv[2], sys.argv[2:])"


class Relayed:
    def __init__(self, folder, path="/", command=SERVER):
        self.proof = folder / "proof"
        self.proof.mkdir()
        listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        options = ["--path", path, "--host", "shop.example", "--expect", "2xx", "--within", "10", "--drain", "10"]
        argv = [sys.executable, "-I", "-S", str(RELAY), *options, "--", sys.executable, "-c", command]
        # The supervisor hands the held socket over as descriptor 3 (sd_listen_fds(3)).
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", AS_THREE, str(listener.fileno()), *argv],
            env={**os.environ, "NUAGES_PROOF": str(self.proof)},
            pass_fds=[listener.fileno()],
        )
        self.listener = listener

    def report(self):
        deadline = time.monotonic() + 12
        while time.monotonic() < deadline:
            for path in self.proof.glob("*.json"):
                return json.loads(path.read_text())
            time.sleep(0.02)
        raise AssertionError("no report")

    def get(self, path="/"):
        with urllib.request.urlopen(self.url + path, timeout=20) as answer:
            return answer.read().decode()

    def end(self):
        self.listener.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)


@pytest.fixture
def relayed(tmp_path):
    made = []

    def make(**how):
        made.append(Relayed(tmp_path, **how))
        return made[-1]

    yield make
    for one in made:
        one.end()


def test_it_is_asked_with_a_real_host_and_then_serves_on_the_held_socket(relayed):
    site = relayed()

    assert site.report()["ok"]
    (site.proof / "go").touch()
    assert site.get() == site.url.removeprefix("http://")


def test_a_request_under_way_ends_when_its_turn_is_over(relayed):
    site, answers = relayed(), []
    site.report()
    (site.proof / "go").touch()
    slow = threading.Thread(target=lambda: answers.append(site.get("/slow")))
    slow.start()
    time.sleep(0.4)
    assert site.end() == 0
    slow.join()

    assert len(answers) == 1


def test_a_command_that_answers_badly_is_refused_and_ended(relayed):
    site = relayed(path="/broken")

    assert site.report()["lines"] == ["GET /broken answered 500, expected 2xx"]
    assert site.process.wait(20) == 1


def test_a_command_that_never_listens_is_told_by_how_it_ended(relayed):
    site = relayed(command="raise SystemExit(3)")

    assert "ended with 3 before it listened on $PORT" in site.report()["lines"][0]
