"""A request on its way in."""

import base64
import io
import json
import zlib

import pytest
from gate_module import agent, gate


def received(monkeypatch, data):
    monkeypatch.setattr("sys.stdin", type("Input", (), {"buffer": io.BytesIO(data)})())
    return gate.receive(agent)


def test_what_a_client_sends_before_it_knows_the_gate_is_passed_over(monkeypatch):
    program = zlib.compress(b"import os")
    assert received(monkeypatch, b"\x1e%d\n%s{}\n" % (len(program), program)) == {}


def test_a_long_request_comes_packed(monkeypatch):
    line = b"z" + base64.b64encode(zlib.compress(json.dumps({"read": {}}).encode())) + b"\n"
    assert received(monkeypatch, line) == {"read": {}}


@pytest.mark.parametrize("data", [b"", b"{", b'{"read": {}}', b"\x1e99\nshort"])
def test_what_was_cut_off_is_nothing(monkeypatch, data):
    with pytest.raises((agent.StepFailed, ValueError)):
        received(monkeypatch, data)


def test_what_unpacks_to_too_much_is_refused(monkeypatch):
    with pytest.raises(agent.StepFailed):
        received(monkeypatch, b"z" + base64.b64encode(zlib.compress(b" " * (gate.LARGEST + 1), 1)) + b"\n")
