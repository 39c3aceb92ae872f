"""The host's side of certificates, run as the program that it is: pairs read and made with the real openssl."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import shutil
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from nuages.components.certificates.seen import PROGRAM


pytestmark = pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")
_spec = importlib.util.spec_from_file_location("shipped_agent_certs", PROGRAM)
certs = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(certs)


def make(folder: Path, *words, names="DNS:shop.example,DNS:*.shop.example", days="20"):
    folder.mkdir(exist_ok=True)
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-subj", "/CN=shop.example",
         "-addext", f"subjectAltName={names}", "-keyout", folder / "key.pem", "-out", folder / "cert.pem", "-days", days,
         *(words or ("-nodes",))],
        check=True, capture_output=True,
    )  # fmt: skip
    return str(folder / "cert.pem"), str(folder / "key.pem")


def local(tmp_path, *names):
    return {
        "site": "shop", "kind": "local-ca", "names": list(names),
        "folder": str(tmp_path / "certs"), "state": str(tmp_path / "state"),
    }  # fmt: skip


def look(config):
    return certs.look(config["kind"], config["names"], config["folder"], config["state"])


@pytest.fixture(autouse=True)
def without_nginx(monkeypatch):
    monkeypatch.setattr(certs, "tell_proxy", lambda: "")


def test_a_pair_says_whom_it_is_for_and_until_when(tmp_path):
    found = certs.pair(*make(tmp_path / "a"))

    assert (found["names"], found["problem"], found["self_signed"]) == (["shop.example", "*.shop.example"], "", True)
    assert 19 < (found["not_after"] - found["not_before"]) / 86400 < 21


def test_a_pair_that_can_not_be_served_says_why(tmp_path):
    chain, key = make(tmp_path / "a")
    other = make(tmp_path / "b")[1]
    encrypted = make(tmp_path / "c", "-passout", "pass:secret")
    (tmp_path / "text").write_text("hello")

    assert certs.pair(chain, other)["problem"] == "the key is not the one of the certificate"
    assert "encrypted" in certs.pair(*encrypted)["problem"]
    assert certs.pair(str(tmp_path / "text"), key)["problem"]
    assert "there is no" in certs.pair(str(tmp_path / "none"), key)["problem"]
    assert "there is no" in certs.pair(chain, str(tmp_path / "none"))["problem"]


def test_a_wildcard_is_for_one_label():
    assert certs.is_covered("a.shop.example", ["*.shop.example"])
    assert not certs.is_covered("a.b.shop.example", ["*.shop.example"])
    assert not certs.is_covered("shop.example", ["*.shop.example"])


def test_our_own_authority_makes_a_pair_that_whoever_trusts_it_accepts(tmp_path):
    config = local(tmp_path, "shop.example", "192.0.2.11")

    assert certs.issue(config) == 0

    assert look(config)["wanted"]["names"] == ["shop.example", "192.0.2.11"]
    key = tmp_path / "certs" / "local-ca" / "privkey.pem"
    assert key.stat().st_mode & 0o777 == 0o600
    shake_hands(tmp_path, "shop.example")


def shake_hands(tmp_path, name):
    """As Python 3.13 does it by default: strictly after RFC 5280."""
    folder = tmp_path / "certs" / "local-ca"
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(folder / "fullchain.pem", folder / "privkey.pem")
    asking = ssl.create_default_context(cafile=str(tmp_path / "state" / "authority" / "ca.pem"))
    asking.verify_flags |= ssl.VERIFY_X509_STRICT
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = asking.wrap_bio(back, there, server_hostname=name)
    server = serving.wrap_bio(there, back, server_side=True)
    for _ in range(4):
        for end in (client, server):
            with contextlib.suppress(ssl.SSLWantReadError):
                end.do_handshake()
    assert client.getpeercert()["subjectAltName"][0] == ("DNS", name)


def test_our_own_authority_may_sign_for_the_sites_names_only(tmp_path):
    certs.issue(local(tmp_path, "shop.example"))
    authority = (tmp_path / "state" / "authority" / "ca.pem").read_text()
    stolen = local(tmp_path, "bank.example")
    (tmp_path / "state" / "authority" / "names.json").write_text(json.dumps(["bank.example"]))

    chain, key = certs.local_pair(stolen)

    assert authority in chain
    with pytest.raises(SystemExit, match="certificate verify failed"):
        certs.install(stolen, chain, key)


def test_a_renewal_before_its_time_changes_nothing_and_a_forced_one_keeps_the_authority(tmp_path):
    config = local(tmp_path, "shop.example")
    certs.issue(config)
    first = look(config)["wanted"]["serial"]
    authority = (tmp_path / "state" / "authority" / "ca.pem").read_bytes()

    certs.renew(config)
    assert look(config)["wanted"]["serial"] == first
    certs.renew(config, force=True)
    assert look(config)["wanted"]["serial"] != first
    assert (tmp_path / "state" / "authority" / "ca.pem").read_bytes() == authority


def test_a_pair_that_the_proxy_refuses_is_taken_back(tmp_path, monkeypatch):
    config = local(tmp_path, "shop.example")
    certs.issue(config)
    before = os.readlink(tmp_path / "certs" / "local-ca")
    monkeypatch.setattr(certs, "tell_proxy", lambda: "nginx says no")

    with pytest.raises(SystemExit, match="nginx says no"):
        certs.renew(config, force=True)

    assert os.readlink(tmp_path / "certs" / "local-ca") == before


def test_each_refusal_doubles_the_wait_up_to_a_day(tmp_path):
    config = local(tmp_path, "shop.example")
    waits = []
    for _ in range(7):
        certs.failed(config, "no")
        said = look(config)["attempts"]
        waits.append(round((said["again"] - said["last"]) / 3600))

    assert waits == [1, 2, 4, 8, 16, 24, 24]


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ("Certbot failed to authenticate\n  Domain: shop.example\n  Detail: 192.0.2.11: Fetching http://shop.example: Connection refused\n",
         "192.0.2.11: Fetching http://shop.example: Connection refused"),
        ("An unexpected error occurred:\nrequests.exceptions.ConnectionError: HTTPSConnectionPool(host='ca.example', port=14000): Max retries exceeded (Connection refused)",
         "ca.example can't be reached: connection refused"),
        ("Failed to renew certificate shop with error: Requesting ca.example/dir: Connection refused\nAll renewals failed. The following:\nAsk for help",
         "ca.example can't be reached: connection refused"),
        ("An unexpected error occurred:\nError creating new order :: too many certificates already issued\nAsk for help or search for solutions",
         "Error creating new order :: too many certificates already issued"),
        ("", "certbot said nothing"),
    ],
)  # fmt: skip
def test_what_certbot_says_on_fifty_lines_is_told_on_one(said, line):
    assert certs.why(said) == line


def acme(tmp_path, monkeypatch, *answers):
    """certbot that answers in turn, with a pair that is there; what it was asked is collected."""
    config = {**local(tmp_path, "shop.example"), "kind": "acme", "webroot": "/", "server": "https://ca.example/dir"}
    live = tmp_path / "state" / "certbot" / "live" / "shop"
    live.parent.mkdir(parents=True)
    chain, key = make(live)
    for made, name in ((chain, "fullchain.pem"), (key, "privkey.pem")):
        Path(made).rename(live / name)
    asked, turns = [], iter(answers)

    def certbot(config, verb, *words):
        asked.append((verb, "--dry-run" in words))
        return next(turns)

    monkeypatch.setattr(certs, "certbot", certbot)
    return config, asked


def test_a_first_certificate_is_followed_by_a_trial_of_its_renewal(tmp_path, monkeypatch):
    config, asked = acme(tmp_path, monkeypatch, (True, ""), (True, ""))

    certs.issue(config)

    assert asked == [("certonly", False), ("renew", True)]
    assert look(config)["attempts"]["proved"]
    assert look(config)["wanted"]["problem"] == ""


def test_a_trial_that_failed_is_made_again_by_the_timer_until_it_works(tmp_path, monkeypatch):
    config, asked = acme(tmp_path, monkeypatch, (True, ""), (False, "no"), (True, ""), (True, ""), (True, ""))
    certs.issue(config)
    assert look(config)["attempts"]["renewal_error"] == "in a trial, no"

    certs.renew(config)
    assert look(config)["attempts"]["proved"]
    assert look(config)["attempts"]["renewal_error"] == ""
    certs.renew(config)
    assert asked[2:] == [("renew", False), ("renew", True), ("renew", False)]


def test_a_refusal_is_kept_and_the_site_goes_on(tmp_path, monkeypatch):
    config, _asked = acme(tmp_path, monkeypatch, (False, "too many"))

    assert certs.issue(config) == 0
    assert look(config)["attempts"]["error"] == "too many"
    assert look(config)["wanted"]["problem"]


def test_addresses_are_told_where_a_site_has_no_other_name(tmp_path, monkeypatch):
    monkeypatch.setattr(certs, "own_addresses", lambda: ["192.0.2.11"])
    config = local(tmp_path, "web-1")

    assert certs.look("local-ca", ["web-1"], config["folder"], config["state"], addresses=True)["addresses"] == ["192.0.2.11"]
    assert look(config)["addresses"] == []


def test_it_is_a_program_of_the_standard_library_alone(tmp_path):
    chain, key = make(tmp_path / "a")
    done = subprocess.run([sys.executable, "-I", "-S", PROGRAM, "pair", chain, key], capture_output=True, text=True, check=True)

    assert json.loads(done.stdout)["problem"] == ""


def test_the_agent_answers_the_question_without_starting_anything(tmp_path):
    from agent_module import agent

    config = local(tmp_path, "shop.example")
    certs.issue(config)
    question = {"kind": "certificates", "maker": "local-ca", **{k: config[k] for k in ("names", "folder", "state")}}

    assert agent.read(question)["wanted"]["names"] == ["shop.example"]
