"""Keys of people and of CI: read, told apart, and never all taken away."""

import subprocess
from types import SimpleNamespace

import pytest

from nuages.cli.access import _read_key, _refuse_lockout
from nuages.components.base.access import Key, fingerprint
from nuages.engine.access import Lying, plain_key
from nuages.engine.model import Plan, Step
from nuages.engine.permits import refuse_what_keys_may_not
from nuages.errors import PersonNeededError, UsageError
from nuages.testing import shop_topology
from nuages.topology.access import deploy_login, with_deploy_key


KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
OTHER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB5cGnXhUDBYcUmzSXSnFv5hgAjY9Pa4wPQRXdXm8zGq"


def test_a_fingerprint_is_as_ssh_keygen_has_it(tmp_path):
    (tmp_path / "key.pub").write_text(KEY + "\n")
    try:
        said = subprocess.run(["ssh-keygen", "-lf", str(tmp_path / "key.pub")], capture_output=True, text=True, check=True).stdout
    except FileNotFoundError:
        pytest.skip("there is no ssh-keygen here")
    assert fingerprint(KEY) == said.split()[1]


@pytest.mark.parametrize("line", [KEY, f"{KEY} ada@laptop", f'restrict,command="echo \\"ssh-rsa AAAA\\"" {KEY} ada@laptop'])
def test_a_key_is_found_behind_its_options(line):
    assert plain_key(line)[0] == KEY


@pytest.mark.parametrize("line", ["", "nonsense", "ssh-ed25519", "ssh-ed25519 AAAA!"])
def test_what_is_no_key_is_none(line):
    assert plain_key(line) == ("", "")


@pytest.mark.parametrize("text", ["-----BEGIN OPENSSH PRIVATE KEY-----\nx", f"{KEY}\n{OTHER}", "", "ssh-ed25519 short"])
def test_one_public_key_is_taken_and_nothing_else(text):
    with pytest.raises(UsageError):
        _read_key(text, "key.pub")


def lying(*lines, in_use=""):
    return Lying("web-1", "deploy", tuple(lines), in_use)


def test_the_last_key_of_a_login_stays():
    with pytest.raises(UsageError, match="the last key"):
        _refuse_lockout([lying(KEY)], {fingerprint(KEY)}, in_use=True)


def test_the_key_that_one_came_by_stays_unless_it_is_said():
    there = lying(KEY, OTHER, in_use=fingerprint(KEY))
    with pytest.raises(UsageError, match="came by"):
        _refuse_lockout([there], {fingerprint(KEY)}, in_use=False)
    _refuse_lockout([there], {fingerprint(KEY)}, in_use=True)
    _refuse_lockout([there], {fingerprint(OTHER)}, in_use=False)


@pytest.mark.parametrize("account", ["shop", "a" * 24, "a" * 25, "a-very-long-name-of-a-site-here", "shop-staging"])
def test_the_login_of_deploy_keys_is_no_other_sites_and_fits(account):
    login = deploy_login(account)
    assert len(login) <= 32
    assert "_" in login  # which no name of a site has


def test_what_a_key_may_not_do_is_said_before_the_first_write():
    asked = []

    def read(questions):
        asked.append(questions)
        return {"it": [["+ web-1  package nmap", "a deploy key changes nothing of the server (packages)"]]}

    transport = SimpleNamespace(gate=True, read=read)
    seat = SimpleNamespace(transport=transport, live=SimpleNamespace(host=SimpleNamespace(name="web-1")))
    plan = Plan(ready=(Step("+", "web-1", "package nmap", ops=({"op": "packages", "names": ["nmap"]},)),))
    with pytest.raises(PersonNeededError) as told:
        refuse_what_keys_may_not(plan, [seat])
    assert "package nmap" in told.value.detail
    assert told.value.exit_code == 77
    assert asked[0]["it"]["kind"] == "permits"


def test_people_are_asked_nothing():
    seat = SimpleNamespace(transport=SimpleNamespace(gate=False))
    refuse_what_keys_may_not(Plan(), [seat])


def test_a_key_is_told_by_its_fingerprint():
    assert Key("ada", KEY).fingerprint.startswith("SHA256:")


def test_a_deploy_key_that_is_no_file_is_not_shown():
    with pytest.raises(UsageError, match="should hold the path") as told:
        with_deploy_key(shop_topology(), "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk")
    assert "b3Blb" not in str(told.value)
    with pytest.raises(UsageError, match="there is no file"):
        with_deploy_key(shop_topology(), "/nowhere/key")
