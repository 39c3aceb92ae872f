"""A server over the system's OpenSSH: one call for each round trip, secrets in no argument list, noise skipped."""

import json
import os
import stat

import pytest

from nuages.errors import CommandError, CommandTimeoutError, HostError
from nuages.hosts.command import Command, run
from nuages.hosts.ssh import SshTransport, password_of, reach_servers
from nuages.hosts.ssh_errors import explain
from nuages.hosts.ssh_options import Login, socket_folder
from nuages.secret import Secret
from nuages.testing import shop_topology
from nuages.topology.model import Host


HOST = {"it": {"kind": "host"}}
CALLER = {"it": {"kind": "caller"}}


def options(call):
    pairs = [call[i + 1] for i, word in enumerate(call) if word == "-o"]
    return dict(pair.split("=", 1) for pair in pairs)


def test_all_questions_are_one_call_of_ssh(ssh):
    answers = ssh.host().read({"a": {"kind": "host"}, "b": {"kind": "json", "path": "/none"}})
    assert answers["a"]["cores"] >= 1
    assert answers["b"] is None
    assert len(ssh.calls()) == 1


def test_the_agent_knows_who_asks_and_on_which_port(ssh):
    answers = ssh.host().read({**CALLER, "host": {"kind": "host"}})
    assert answers["it"] == {"as": "ops", "from": "203.0.113.9", "port": 2222}
    assert answers["host"]["ssh_port"] == 2222


def test_all_steps_of_a_batch_are_one_call(ssh, tmp_path):
    events = []
    steps = [{"text": f"+ {name}", "ops": [{"op": "file", "path": str(tmp_path / name), "content": name}]} for name in "ab"]
    ssh.host().write(steps, str(tmp_path / "journal.jsonl"), events.append)
    assert [e["event"] for e in events] == ["begin", "done", "begin", "done"]
    assert (tmp_path / "b").read_text() == "b"
    assert len(ssh.calls()) == 1


def test_a_host_declared_by_name_alone_is_left_to_ssh_config(ssh):
    ssh.host().read(HOST)
    (call,) = ssh.calls()
    assert not {"-F", "-J", "-p", "-i", "-l"} & set(call)
    assert call[call.index("--") + 1] == "web-1"


def test_what_is_declared_is_passed_on(ssh):
    ssh.host(address="192.0.2.11", user="ops", port=2222, identity="/keys/shop", jump="gate", ssh_config="/lab/ssh_config").read(
        HOST
    )
    (call,) = ssh.calls()
    said = {flag: call[call.index(flag) + 1] for flag in ("-F", "-J", "-p", "-i", "-l")}
    assert said == {"-F": "/lab/ssh_config", "-J": "gate", "-p": "2222", "-i": "/keys/shop", "-l": "ops"}
    assert call[call.index("--") + 1] == "192.0.2.11"
    assert options(call)["IdentitiesOnly"] == "yes"


def test_it_never_asks_never_forwards_and_refuses_unknown_keys(ssh):
    ssh.host().read(HOST)
    said = options(ssh.calls()[0])
    assert said["BatchMode"] == "yes"
    assert said["StrictHostKeyChecking"] == "yes"
    assert said["ForwardAgent"] == said["ForwardX11"] == "no"
    assert int(said["ServerAliveInterval"]) * int(said["ServerAliveCountMax"]) <= 20


def test_keys_of_machines_just_made_are_taken_where_that_was_asked_for(ssh):
    with reach_servers(shop_topology(hosts=(Host("web-1"),)), accept_new=True) as (web,):
        web.read(HOST)
    assert options(ssh.calls()[0])["StrictHostKeyChecking"] == "accept-new"


def test_the_socket_lies_in_a_folder_of_the_users_own_with_a_short_path(ssh):
    ssh.host().read(HOST)
    path = options(ssh.calls()[0])["ControlPath"]
    assert stat.S_IMODE(os.stat(os.path.dirname(path)).st_mode) == 0o700
    assert len(path.replace("%C", "c" * 40)) + 17 < 104


def test_a_long_home_falls_back_to_a_short_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / ("long" * 20)))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / ("long" * 20)))
    assert socket_folder() == f"/tmp/nuages-{os.getuid()}"


def test_logins_that_differ_do_not_share_a_connection(ssh):
    ssh.host(identity="/keys/a").read(HOST)
    ssh.host(identity="/keys/b").read(HOST)
    one, other = (options(call)["ControlPath"] for call in ssh.calls())
    assert one != other


def test_noise_of_the_login_shell_is_skipped(ssh):
    ssh.program("python3", '#!/bin/sh\necho "Welcome to web-1! {not json}"\nexec /usr/bin/python3 "$@"\n')
    assert ssh.host().read(HOST)["it"]["cores"] >= 1


# --- becoming root -----------------------------------------------------------------------------------------------


def test_sudo_without_a_password_costs_no_second_call(ssh):
    ssh.sudo("nothing")
    web = ssh.host()
    assert web.read(CALLER)["it"]["as"] == "ops"
    assert web.read(CALLER)["it"]["as"] == "ops"
    assert len(ssh.calls()) == 2
    assert "sudo -n -- " in ssh.calls()[1][-1]


def test_the_way_that_works_is_remembered(ssh):
    ssh.sudo("hunter2")
    web = ssh.host(password=Secret("hunter2"))
    web.read(HOST)
    assert len(ssh.calls()) == 2
    web.read(HOST)
    assert len(ssh.calls()) == 3


def test_a_password_is_asked_for_once_and_only_where_sudo_asks(ssh):
    asked = []

    def password():
        asked.append(True)
        return Secret("hunter2")

    ssh.host(password=password).read(HOST)
    assert not asked
    ssh.sudo("hunter2")
    web = ssh.host(password=password)
    web.read(HOST)
    web.read(HOST)
    assert len(asked) == 1


def test_a_password_is_in_no_argument_list(ssh):
    ssh.sudo("hunter2")
    ssh.host(password=Secret("hunter2")).read(HOST)
    assert "hunter2" not in json.dumps(ssh.calls())


def test_a_wrong_password_is_tried_once(ssh):
    ssh.sudo("hunter2")
    web = ssh.host(password=Secret("wrong"))
    for _again in range(2):
        with pytest.raises(HostError, match="sudo does not take this password") as error:
            web.read(HOST)
    assert "NUAGES_SUDO_PASSWORD" in error.value.hint
    assert (ssh.folder / "tried").read_text() == "wrong\n"


def test_without_a_password_it_says_where_to_give_it(ssh):
    ssh.sudo("hunter2")
    with pytest.raises(HostError, match="sudo asks ops for a password") as error:
        ssh.host(user="ops").read(HOST)
    assert "NUAGES_SUDO_PASSWORD" in error.value.hint


def test_a_user_who_may_not_become_root_is_told(ssh):
    ssh.sudo("never")
    with pytest.raises(HostError, match="ops may not become root by sudo"):
        ssh.host(user="ops").read(HOST)


def test_a_password_for_one_host_goes_before_that_for_all(monkeypatch):
    monkeypatch.setenv("NUAGES_SUDO_PASSWORD", "all")
    monkeypatch.setenv("NUAGES_SUDO_PASSWORD_DB_1", "db")
    assert (password_of("web-1"), password_of("db-1")) == (Secret("all"), Secret("db"))


def test_a_python_that_is_too_old_is_named(ssh):
    text = "import sys; sys.version_info = (3, 7); exec(sys.argv.pop(1))"
    ssh.program("python3", f"#!/bin/sh\nshift 3\nexec /usr/bin/python3 -I -S -c '{text}' \"$@\"\n")
    with pytest.raises(HostError, match=r"the host's python3 is 3\.7, and Nuages needs 3\.9"):
        ssh.host().read(HOST)


# --- commands ----------------------------------------------------------------------------------------------------


def shell(line, **how):
    return Command(("/bin/sh", "-c", line), **how)


def test_a_command_answers_as_on_this_machine(ssh):
    lines = []
    result = ssh.host().run(
        shell("cat; echo $PASSWORD; echo err >&2; exit 3", env={"PASSWORD": Secret("p")}, stdin="in\n"), lines.append
    )
    assert (result.status, result.stdout, result.stderr) == (3, "in\np\n", "err\n")
    assert sorted(lines) == ["err", "in", "p"]


def test_check_raises_with_the_last_lines(ssh):
    with pytest.raises(CommandError, match="ended with 1") as error:
        ssh.host().check(shell("echo no room >&2; exit 1"))
    assert error.value.detail == "no room"


def test_a_command_that_takes_too_long_is_ended_on_the_host(ssh, tmp_path):
    with pytest.raises(CommandTimeoutError, match=r"longer than 0\.3 s"):
        ssh.host().run(shell(f"sleep 1.5; touch {tmp_path}/late", timeout=0.3))
    assert not (tmp_path / "late").exists()


def test_a_program_that_is_not_there_is_named(ssh):
    with pytest.raises(HostError, match="can't start no-such-program"):
        ssh.host().run(run("no-such-program"))


def test_nothing_of_the_login_reaches_a_command(ssh):
    told = ssh.host().run(run("/usr/bin/env")).stdout
    assert "SSH_CONNECTION" not in told
    assert "HOME=/root" in told


def test_a_failed_step_is_told_and_raised(ssh, tmp_path):
    events = []
    steps = [{"text": "~ broken", "ops": [{"op": "run", "argv": ["/bin/sh", "-c", "echo why >&2; exit 1"]}], "undo": []}]
    with pytest.raises(CommandError) as error:
        ssh.host().write(steps, str(tmp_path / "journal.jsonl"), events.append)
    assert (error.value.where, error.value.detail) == ("web-1", "why")


# --- what goes wrong ---------------------------------------------------------------------------------------------

CHANGED = """\
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
The fingerprint for the ED25519 key sent by the remote host is
SHA256:6mGm2M6Y0JXbQzTr1FhW4oC5mJqD0l0t1YpWn3J9r7k.
Offending ED25519 key in /home/anna/.ssh/known_hosts:3
Host key for web-1 has changed and you have requested strict checking.
Host key verification failed.
"""
UNKNOWN = """\
No ED25519 host key is known for web-1 and you have requested strict checking.
Host key verification failed.
"""
VERBOSE = "debug1: Server host key: ssh-ed25519 SHA256:6mGm2M6Y0JXbQzTr1FhW4oC5mJqD0l0t1YpWn3J9r7k\n"
OFFERS = "debug1: Offering public key: /home/anna/.ssh/id_ed25519 ED25519 SHA256:abc agent\n"


@pytest.mark.parametrize(
    ("said", "what", "hint"),
    [
        ("ssh: Could not resolve hostname web-1: Name or service not known\n", "no address is known for web-1", "nuages.toml"),
        ("ssh: connect to host web-1 port 22: Connection refused\n", "web-1 port 22: Connection refused", "another port"),
        ("ssh: connect to host web-1 port 22: No route to host\n", "port 22: No route to host", "host up"),
        ("ssh: connect to host web-1 port 22: Connection timed out\n", "port 22: Connection timed out", "firewall"),
        ("Connection timed out during banner exchange\n", "Connection timed out", "host up"),
        ("kex_exchange_identification: read: Connection reset by peer\n", "closed the connection before the login", "fail2ban"),
        ("Bad owner or permissions on /home/anna/.ssh/config\n", "Bad owner or permissions", ""),
        ("Timeout, server web-1 not responding.\n", "the connection was lost", "host up"),
    ],
)
def test_each_way_to_fail_has_its_words(ssh, said, what, hint):
    ssh.says([said, 255])
    with pytest.raises(HostError, match=what) as error:
        ssh.host().read(HOST)
    assert hint in error.value.hint
    assert error.value.where == "web-1"


def test_an_unknown_key_is_shown_with_the_command_that_accepts_it(ssh):
    ssh.says([UNKNOWN, 255], [VERBOSE + UNKNOWN, 255])
    with pytest.raises(HostError, match="key is not known here") as error:
        ssh.host(port=2222).read(HOST)
    assert "ssh-ed25519 SHA256:6mGm2M6Y0JXbQzTr1FhW4oC5mJqD0l0t1YpWn3J9r7k" in error.value.detail
    assert error.value.hint.endswith("ssh -p 2222 web-1 true")


def test_a_changed_key_says_what_it_means_and_how_to_go_on(ssh):
    ssh.says([CHANGED, 255])
    with pytest.raises(HostError, match="key has CHANGED") as error:
        ssh.host().read(HOST)
    assert "/home/anna/.ssh/known_hosts line 3" in error.value.detail
    assert "ssh-keygen -R web-1 -f /home/anna/.ssh/known_hosts" in error.value.hint


def test_a_refused_login_names_the_keys_that_were_offered(ssh):
    denied = "ops@web-1: Permission denied (publickey).\n"
    ssh.says([denied, 255], [OFFERS + denied, 255])
    with pytest.raises(HostError, match=r"refuses the login of ops \(publickey\)") as error:
        ssh.host(user="ops").read(HOST)
    assert "/home/anna/.ssh/id_ed25519 ED25519 SHA256:abc agent" in error.value.detail


def test_a_machine_without_ssh_says_so(ssh, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HostError, match="no ssh on this machine"):
        ssh.host().read(HOST)


def test_a_host_without_python_says_how_to_get_it():
    error = explain(Login(Host("web-1")), 127, "", ["no python"])
    assert "there is no python3 on the host" in error.what
    assert "ssh web-1 'apt-get install -y python3'" in error.hint


def test_a_login_that_can_not_become_root_for_want_of_sudo_is_told():
    assert "no sudo on the host" in explain(Login(Host("web-1")), 127, "", ["no sudo"]).what


def test_a_shared_connection_that_died_unseen_is_made_anew(ssh):
    ssh.says(["mux_client_request_session: read from master failed: Connection reset by peer\n", 255])
    assert ssh.host().read(HOST)["it"]["cores"] >= 1
    assert any("-O" in call for call in ssh.calls())


def test_a_connection_lost_while_steps_are_carried_out_says_that_the_host_goes_on(ssh, tmp_path):
    ssh.program(
        "python3",
        '#!/bin/sh\nprintf \'\\036{"event":"begin","step":1,"text":"+ a"}\\n\'\necho "client_loop: send disconnect: Broken pipe" >&2\nexit 255\n',
    )
    with pytest.raises(HostError, match="the connection was lost") as error:
        ssh.host().write([{"text": "+ a", "ops": []}], str(tmp_path / "journal.jsonl"), lambda _event: None)
    assert "it reads the journal" in error.value.hint


# --- several hosts -----------------------------------------------------------------------------------------------


def test_every_declared_host_has_a_way_and_none_is_connected_before_it_is_asked(ssh):
    with reach_servers(shop_topology(hosts=(Host("web-1"), Host("db-1")))) as servers:
        assert [server.name for server in servers] == ["web-1", "db-1"]
    assert all(isinstance(server, SshTransport) for server in servers)
    assert ssh.calls() == []
