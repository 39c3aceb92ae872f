"""A real message to a real server of this machine, and what is told when it does not go."""

import socket
import threading

import pytest
import shipped_runtime  # noqa: F401 - makes nuages_runtime importable
from nuages_runtime import mailtest
from smtp_sink import Sink

from nuages.cli.mail import explained
from nuages.testing import shop_topology


TO = ["ann@shop.example"]


@pytest.fixture
def server(tmp_path):
    sink = Sink(0, tmp_path / "mail")
    threading.Thread(target=sink.serve_forever, daemon=True).start()
    yield sink
    sink.shutdown()
    sink.server_close()


def given(server, **more):
    port = server if isinstance(server, int) else server.server_address[1]
    plain = {
        "host": "127.0.0.1",
        "port": port,
        "user": "",
        "password": "",
        "tls": False,
        "ssl": False,
        "from": "shop@shop.example",
    }
    return {**plain, **more}


def closed_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_the_dialogue_of_a_message_that_is_taken(server):
    said = mailtest.send(given(server), TO, "A test", "text")
    assert "> rcpt to:<ann@shop.example>" in [line.lower() for line in said]
    assert said[-1].startswith("< 221")
    assert b"A test" in (server.folder / "00001.eml").read_bytes()


def test_a_login_that_is_refused_shows_no_password(server):
    server.refuses = True
    with pytest.raises(mailtest.FailedError) as failed:
        mailtest.send(given(server, user="shop", password="hunter22"), TO, "A test", "text")
    assert (failed.value.step, failed.value.kind) == ("login", "login")
    told = "\n".join(failed.value.dialogue)
    assert "> AUTH ***" in told
    assert "who are you" in failed.value.said
    import base64

    for secret in ("hunter22", base64.b64encode(b"\0shop\0hunter22").decode(), base64.b64encode(b"hunter22").decode()):
        assert secret not in told


def test_a_server_without_starttls_is_told_from_one_that_is_not_there(server):
    with pytest.raises(mailtest.FailedError) as failed:
        mailtest.send(given(server, tls=True), TO, "A test", "text")
    assert (failed.value.step, failed.value.kind) == ("starttls", "dialogue")
    with pytest.raises(mailtest.FailedError) as failed:
        mailtest.send(given(closed_port()), TO, "A test", "text")
    assert (failed.value.step, failed.value.kind) == ("connect", "refused")


def test_ports_are_knocked_at(server):
    assert mailtest.knock("127.0.0.1", server.server_address[1]) == "open"
    assert mailtest.knock("127.0.0.1", closed_port()) == "refused"


TOLD = {
    "backend": mailtest.SMTP, "host": "smtp.example", "port": 25, "tls": False, "ssl": False, "from": "root@localhost", "to": TO,
    "dialogue": [], "ports": {}, "said": "", "step": "connect",
}  # fmt: skip


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"kind": "nobody"}, "nobody would hear"),
        ({"kind": "development", "said": "console"}, "no mail leaves the site"),
        ({"kind": "silent", "ports": {"25": "silent", "465": "silent", "587": "silent"}}, "blocks outgoing mail"),
        ({"kind": "silent", "ports": {"25": "silent", "587": "open"}}, "port 587 answers"),
        ({"kind": "refused", "ports": {"25": "refused"}}, "nothing listens"),
        ({"kind": "refused", "host": "localhost", "ports": {"25": "refused"}}, "no mail server but localhost"),
        ({"kind": "unknown"}, "no address is known"),
        ({"kind": "login", "said": "535 no"}, "refuses the login"),
        ({"kind": "tls"}, "no trusted TLS"),
        ({"kind": "rejected", "said": "550 no relay"}, "and not this message"),
        ({"kind": "other"}, "breaks off"),
    ],
)
def test_every_way_to_fail_says_what_to_do(told, said):
    class Site:
        topology = shop_topology()

    error = explained({**TOLD, **told}, Site())
    assert said in error.what
    assert error.hint
