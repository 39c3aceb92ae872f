"""What a hostile page, name or program on this machine asks of the dashboard, over a real socket, and what it is answered."""

import http.client
import json
import re
import socket
import threading

import pytest

from nuages.dashboard.server import FILES, Dashboard


class Client:
    def __init__(self, dashboard):
        self.dashboard, self.port = dashboard, dashboard.port
        self.origin = f"http://127.0.0.1:{self.port}"

    def ask(self, method, path, headers=None, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request(method, path, body=body, headers=headers or {})
        answer = connection.getresponse()
        told = answer.read().decode()
        connection.close()
        return answer, told

    def status(self, method, path, headers=None, body=None):
        return self.ask(method, path, headers, body)[0].status

    def let_in(self):
        """What a browser keeps after it has opened the link: headers for every later request."""
        answer, told = self.ask("GET", "/?" + self.dashboard.link().partition("?")[2])
        assert answer.status == 200
        cookie = answer.getheader("Set-Cookie")
        return {"Cookie": cookie.partition(";")[0], "X-Nuages-Key": re.search(r"/#([\w-]+)", told)[1]}

    def raw(self, text):
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as wire:
            wire.sendall(text.encode("latin-1"))
            wire.shutdown(socket.SHUT_WR)
            found = b""
            while chunk := wire.recv(65536):
                found += chunk
        return found.decode("latin-1")


@pytest.fixture
def client(tmp_path, data_home):
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "manage.py").touch()
    dashboard = Dashboard(tmp_path / "shop")
    thread = threading.Thread(target=dashboard.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield Client(dashboard)
    dashboard.server.shutdown()
    dashboard.end()
    thread.join(5)


@pytest.fixture
def known(client):
    return client.let_in()


def change(client, known, **headers):
    likely = {**known, "Origin": client.origin, "Content-Type": "application/json", **headers}
    given = {name: value for name, value in likely.items() if value is not None}
    return client.status("POST", "/api/answer", given, json.dumps({"job": "none", "agree": True}))


def test_it_listens_on_loopback_only(client):
    assert client.dashboard.server.server_address[0] == "127.0.0.1"


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:{port}",
        "127.0.0.1",
        "localhost",
        "127.0.0.1:1",
        "[::1]:{port}",
        "0.0.0.0:{port}",
        "127.0.0.1.evil.example:{port}",
        "LOCALHOST.:{port}",
        "",
    ],
)
def test_dns_rebinding_another_name_in_host_is_refused(client, known, host):
    headers = {**known, "Host": host.format(port=client.port)}
    assert client.status("GET", "/facts.json", headers) == 421
    assert client.status("GET", "/", headers) == 421
    assert client.status("GET", "/page.js", headers) == 421


def test_its_own_names_are_answered(client, known):
    for host in ("127.0.0.1", "localhost"):
        assert client.status("GET", "/facts.json", {**known, "Host": f"{host}:{client.port}"}) == 200


def test_a_request_without_host_or_with_two_is_refused(client):
    assert " 421 " in client.raw("GET / HTTP/1.0\r\n\r\n")
    assert " 400 " in client.raw(f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{client.port}\r\nHost: evil.example\r\n\r\n")


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "null",
        "http://127.0.0.1",
        "https://127.0.0.1:{port}",
        "http://localhost:{port}",
        "http://127.0.0.1:{port}.evil.example",
    ],
)
def test_csrf_another_origin_changes_nothing(client, known, origin):
    assert change(client, known, Origin=origin.format(port=client.port)) == 403


def test_csrf_a_change_without_origin_is_refused(client, known):
    assert change(client, known, Origin=None) == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_csrf_what_another_site_or_another_port_sends_is_refused(client, known, site):
    assert change(client, known, **{"Sec-Fetch-Site": site}) == 403
    assert client.status("GET", "/facts.json", {**known, "Sec-Fetch-Site": site}) == 403


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", None])
def test_csrf_what_a_form_can_send_is_refused(client, known, kind):
    assert change(client, known, **{"Content-Type": kind}) == 415


def test_a_cookie_alone_opens_nothing(client, known):
    """Browsers send it to every port of 127.0.0.1, so another program may have it."""
    cookie = {"Cookie": known["Cookie"]}
    assert client.status("GET", "/facts.json", cookie) == 403
    assert client.status("GET", "/api/stream", cookie) == 403
    assert change(client, cookie) == 403


def test_a_key_alone_opens_nothing(client, known):
    key = {"X-Nuages-Key": known["X-Nuages-Key"]}
    assert client.status("GET", "/facts.json", key) == 403
    assert change(client, key) == 403


def test_the_key_of_another_session_opens_nothing(client, known):
    assert client.status("GET", "/facts.json", {**known, "X-Nuages-Key": client.let_in()["X-Nuages-Key"]}) == 403


def test_a_link_works_once(client):
    link = "/?" + client.dashboard.link().partition("?")[2]
    assert client.status("GET", link) == 200
    assert client.status("GET", link) == 403


@pytest.mark.parametrize("token", ["", "x", "%C3%A9", "%00"])
def test_a_guessed_link_is_refused(client, token):
    assert client.status("GET", f"/?token={token}") == 403


def test_the_cookie_is_for_this_origin_and_no_script(client):
    answer, _told = client.ask("GET", "/?" + client.dashboard.link().partition("?")[2])
    flags = answer.getheader("Set-Cookie")
    assert "HttpOnly" in flags
    assert "SameSite=Strict" in flags
    assert flags.startswith(f"nuages-{client.port}=")


@pytest.mark.parametrize("path", ["/", *FILES, "/facts.json", "/nothing"])
def test_framing_sniffing_and_strangers_scripts_are_forbidden_everywhere(client, known, path):
    answer, _told = client.ask("GET", path, known)
    policy = answer.getheader("Content-Security-Policy")
    assert "frame-ancestors 'none'" in policy
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.getheader("X-Frame-Options") == "DENY"
    assert answer.getheader("X-Content-Type-Options") == "nosniff"
    assert answer.getheader("Cache-Control") == "no-store"
    assert answer.getheader("Access-Control-Allow-Origin") is None
    assert answer.getheader("Server") is None


@pytest.mark.parametrize("where", ["iframe", "frame", "embed", "object"])
def test_framing_a_browser_that_says_so_gets_no_page(client, known, where):
    for site in ("cross-site", "same-origin"):
        assert client.status("GET", "/", {**known, "Sec-Fetch-Dest": where, "Sec-Fetch-Site": site}) == 403


def test_no_preflight_is_answered(client, known):
    headers = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    answer, _told = client.ask("OPTIONS", "/api/do", headers)
    assert answer.status in (405, 501)
    assert answer.getheader("Access-Control-Allow-Origin") is None


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE", "CONNECT"])
def test_other_methods_are_refused(client, known, method):
    assert client.status(method, "/", known) in (405, 501)


@pytest.mark.parametrize("path", ["/api/do", "/api/answer"])
def test_get_changes_nothing(client, known, path):
    assert client.status("GET", f"{path}?what=deploy", known) == 404


@pytest.mark.parametrize(
    "path", ["/../server.py", "/%2e%2e/board.py", "//evil.example/", "/page.js/../../hook.py", "/index.html", "/page.css%00"]
)
def test_no_path_leads_to_a_disk(client, known, path):
    assert client.status("GET", path, known) in (400, 404)


@pytest.mark.parametrize("length", ["-1", "x", "1e3", "9999999", "\xb2"])
def test_a_body_is_as_long_as_it_says_and_short(client, known, length):
    head = (
        f"POST /api/do HTTP/1.1\r\nHost: 127.0.0.1:{client.port}\r\nOrigin: {client.origin}\r\nContent-Type: application/json\r\n"
    )
    head += "".join(f"{name}: {value}\r\n" for name, value in known.items())
    answer = client.raw(f"{head}Content-Length: {length}\r\n\r\n" + "{}")
    assert re.match(r"HTTP/1.1 4(11|13) ", answer), answer


def test_a_body_in_chunks_is_refused(client, known):
    assert change(client, known, **{"Transfer-Encoding": "chunked"}) == 411


@pytest.mark.parametrize("body", ["", "[]", "null", "{", '"deploy"', "[" * 2000])
def test_what_is_no_json_object_is_refused(client, known, body):
    headers = {**known, "Origin": client.origin, "Content-Type": "application/json"}
    assert client.status("POST", "/api/do", headers, body) == 400


@pytest.mark.parametrize(
    "wish",
    [
        {}, {"what": "destroy"}, {"what": "deploy", "force": True}, {"what": "rollback"}, {"what": "rollback", "number": "v1; rm"},
        {"what": "rollback", "number": True}, {"what": "scale", "scale": {}}, {"what": "scale", "scale": {"web": -1}},
        {"what": "scale", "scale": {"web": "4"}}, {"what": "scale", "scale": [1]}, {"what": "maintenance", "on": "yes"}, {"what": ["deploy"]},
    ],
)  # fmt: skip
def test_what_no_button_sends_is_refused(client, known, wish):
    headers = {**known, "Origin": client.origin, "Content-Type": "application/json"}
    assert client.status("POST", "/api/do", headers, json.dumps(wish)) == 409
    assert client.dashboard.jobs.current is None


def test_an_answer_to_nothing_is_refused(client, known):
    assert change(client, known) == 409


def test_a_page_of_nobody_tells_nothing_of_the_site(client):
    for path in ("/", *FILES):
        _answer, told = client.ask("GET", path)
        assert "shop" not in told


def test_a_client_that_holds_all_connections_is_bounded(client):
    held = [socket.create_connection(("127.0.0.1", client.port), timeout=5) for _ in range(80)]
    for wire in held:
        wire.close()
    assert client.status("GET", "/page.css") == 200
