"""What lies on a server for deploy keys and for the team."""

import json
import re
import shutil
import subprocess

import pytest
from described import shop_placement

from nuages.components.base.access import ADD, TAKE, describe_access


KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
CI = {"name": "ci", "key": KEY, "since": "2026-11-25T17:00:00Z", "by": "ada"}
ACCESS = {"deploy_keys": [CI], "team": []}


@pytest.fixture(scope="module")
def gate():
    (found,) = describe_access(shop_placement(), ACCESS)
    return found


def content(description, path):
    (found,) = (file for file in description.files if file.path == path)
    return found.content


def test_nobody_was_added_and_nothing_lies_there():
    assert describe_access(shop_placement(), {}) == ()


def test_a_key_reaches_one_program_of_one_site_and_says_its_own_name(gate):
    line = content(gate, "/var/lib/nuages/deploy/shop/.ssh/authorized_keys").splitlines()[-1]
    assert line == f'restrict,command="/usr/bin/sudo -n -- /usr/local/lib/nuages/shop/gate.py ci" {KEY} ci'


def test_sudo_lets_it_run_that_program_with_that_word(gate, tmp_path):
    text = content(gate, "/etc/sudoers.d/50-nuages-shop_deploy")
    assert "shop_deploy ALL=(root) NOPASSWD: /usr/local/lib/nuages/shop/gate.py ci\n" in text
    assert not re.search(r"[*?\[]", text.replace("(root)", ""))  # nothing that could stand for another word
    if shutil.which("visudo"):
        (tmp_path / "sudoers").write_text(text)
        subprocess.run(["visudo", "-c", "-q", "-f", str(tmp_path / "sudoers")], check=True)


def test_all_of_it_belongs_to_root_and_is_the_sites(gate):
    assert gate.scope == "site"
    assert {(file.owner, file.group) for file in gate.files} == {("root", "root")}
    assert not [file for file in gate.files if file.mode & 0o022]
    assert not [folder for folder in gate.directories if folder.mode & 0o022]


def test_the_agent_and_what_lays_environments_out_are_brought_with_it(gate):
    names = {file.path.removeprefix("/usr/local/lib/nuages/shop/") for file in gate.files}
    assert {
        "gate.py",
        "walls.py",
        "agent.py",
        "agent_server.py",
        "environment/__main__.py",
        "environment/installer/_core.py",
    } <= names
    assert "keys.py" not in names
    told = json.loads(content(gate, "/usr/local/lib/nuages/shop/gate.json"))
    assert (told["site"], told["account"], told["dir"]) == ("shop", "shop", "/srv/shop")


def test_a_person_is_an_action_that_can_be_taken_back():
    (team,) = describe_access(shop_placement(), {"team": [{**CI, "name": "ada"}]})
    (action,) = team.actions
    assert (action.command.argv[2], action.undo.argv[2]) == (ADD, TAKE)
    assert KEY not in str(action.command)
    assert action.command.stdin == f"{KEY} ada\n"


@pytest.fixture
def login(tmp_path):
    """`getent` of a machine where ada's home is here."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/getent").write_text(f"#!/bin/sh\necho ada:x:1:1::{tmp_path}/home:/bin/sh\n")
    (tmp_path / "bin/getent").chmod(0o755)
    (tmp_path / "home/.ssh").mkdir(parents=True)
    file = tmp_path / "home/.ssh/authorized_keys"

    def run(script, line):
        env = {"PATH": f"{tmp_path}/bin:/usr/bin:/bin"}
        return subprocess.run(
            ["/bin/sh", "-c", script, "sh", "ada"], input=line, text=True, check=True, env=env, capture_output=True
        )

    return file, run


def test_a_line_is_added_once_and_the_others_stay(login):
    file, run = login
    file.write_text("# mine\nssh-rsa AAAA ben")  # without an end of line
    for _twice in range(2):
        run(ADD, f"{KEY} ada\n")
    assert file.read_text() == f"# mine\nssh-rsa AAAA ben\n{KEY} ada\n"
    run(TAKE, f"{KEY} ada\n")
    assert file.read_text() == "# mine\nssh-rsa AAAA ben\n"


def test_the_last_key_is_not_taken(login):
    file, run = login
    file.write_text(f"# mine\n{KEY} ada\n")
    assert "last key" in run(TAKE, f"{KEY} ada\n").stderr
    assert KEY in file.read_text()
