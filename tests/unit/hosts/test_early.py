"""The first question to a server goes out while the program is still being loaded, and is not asked twice."""

import pytest

from nuages.errors import HostError
from nuages.hosts import early


ASKED = {"it": {"kind": "caller"}}


@pytest.fixture
def root(ssh, tmp_path, monkeypatch):
    """A site that was deployed from here before."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(early, "UNDER_WAY", {})
    (tmp_path / "nuages.toml").write_text('[hosts.web-1]\naddress = ""\n')
    early.remember(str(tmp_path), [(ssh.host().host, ASKED)])
    return tmp_path


def contacts():
    for contact in early.UNDER_WAY.values():
        contact.thread.join()
    return len(early.UNDER_WAY)


def test_the_same_question_as_the_last_time_is_one_call(ssh, root):
    early.begin(str(root))
    assert ssh.host().read(ASKED)["it"]["as"] == "ops"
    assert len(ssh.calls()) == 1


def test_its_answer_is_used_once(ssh, root):
    early.begin(str(root))
    for _time in range(2):
        ssh.host().read(ASKED)
    assert len(ssh.calls()) == 2


def test_another_question_is_asked_for_itself(ssh, root):
    early.begin(str(root))
    assert contacts() == 1
    assert ssh.host().read({"host": {"kind": "host"}})["host"]["cores"] >= 1
    assert len(ssh.calls()) == 2


def test_where_it_failed_at_once_it_is_tried_again_with_a_person_there(ssh, root):
    ssh.says(["Permission denied (publickey).", 255])
    early.begin(str(root))
    assert contacts() == 1
    assert ssh.host().read(ASKED)["it"]["as"] == "ops"


def test_a_host_out_of_reach_is_not_waited_for_twice(ssh, root):
    ssh.says(["ssh: connect to host web-1 port 22: No route to host", 255])
    early.begin(str(root))
    with pytest.raises(HostError, match="No route to host"):
        ssh.host().read(ASKED)
    assert len(ssh.calls()) == 1


@pytest.mark.parametrize("change", ["its nuages.toml is another", "another environment", "never deployed from here"])
def test_nobody_is_asked_where_it_may_be_another_site(ssh, root, change, tmp_path_factory):
    if change == "its nuages.toml is another":
        (root / "nuages.toml").write_text('[hosts.web-1]\naddress = "192.0.2.99"\n')
    elsewhere = tmp_path_factory.mktemp("other") if change == "never deployed from here" else root
    early.begin(str(elsewhere), "staging" if change == "another environment" else "")
    assert contacts() == 0
    assert ssh.calls() == []
