"""The live site is asked as a visitor asks: by its name, at the door that it has on this host."""

import http.server
import socketserver
import threading

import pytest
import shipped_runtime  # noqa: F401
from nuages_runtime import smoke


HOST = "shop.example"


class Pages(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        places = {"/moved": (302, f"http://{HOST}/here"), "/away": (302, "https://login.example/"), "/broken": (500, "")}
        status, location = places.get(self.path, (200, ""))
        self.send_response(status)
        if location:
            self.send_header("Location", location)
        self.end_headers()
        self.wfile.write(f"Welcome to {self.headers['Host']}{self.path}".encode())

    def address_string(self):
        return "a visitor"  # a unix socket has no address

    def log_message(self, *_words):
        """Nothing."""


@pytest.fixture(scope="module")
def doors(tmp_path_factory):
    path = str(tmp_path_factory.mktemp("door") / "web.sock")
    tcp, unix = http.server.HTTPServer(("127.0.0.1", 0), Pages), socketserver.UnixStreamServer(path, Pages)
    for server in (tcp, unix):
        threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{tcp.server_address[1]}", f"unix:{path}"
    for server in (tcp, unix):
        server.shutdown()
        server.server_close()


def fault(door, path, expect="200", contains=""):
    return smoke.fault(door, HOST, "http", {"path": path, "expect": expect, "contains": contains})


@pytest.mark.parametrize("number", [0, 1], ids=["a proxy's port", "the site's own socket"])
def test_it_is_asked_by_its_name(doors, number):
    assert fault(doors[number], "/", contains="Welcome to shop.example/") == ""


def test_a_wrong_answer_is_told_with_what_was_expected(doors):
    assert fault(doors[0], "/broken") == "GET /broken answered 500, expected 200"
    assert fault(doors[0], "/", contains="Basket") == "GET / answered 200, and its page does not hold 'Basket'"


def test_redirects_on_the_same_host_are_followed_unless_they_are_what_is_expected(doors):
    assert fault(doors[0], "/moved", contains="/here") == ""
    assert fault(doors[0], "/moved", expect="302") == ""
    assert fault(doors[0], "/away") == "GET /away answered 302, expected 200"


def test_nobody_there_is_an_answer_too():
    assert fault("127.0.0.1:1", "/").startswith("GET / got no answer: ")
