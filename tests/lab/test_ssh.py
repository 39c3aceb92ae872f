"""A real server over SSH: every login, every refusal, and a connection that dies at the worst moment."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace

import pytest

from nuages.engine.lock import LEASE, deploy_lock, lock_and_read
from nuages.errors import HostError, LockHeldError
from nuages.hosts import ssh_options, together
from nuages.hosts.command import Command, run
from nuages.hosts.ssh import SshTransport
from nuages.lab.faults import Cut, Heal, PowerOff, PowerOn
from nuages.release.layout import server_site
from nuages.secret import Secret
from nuages.topology.model import Host


SITE = server_site("shop")
JOURNAL = str(SITE.journal)
WHO = {"who": {"kind": "command", "argv": ["id", "-un"]}}


@pytest.fixture(scope="module")
def web(lab):
    (host,) = lab.up("ssh-1")
    yield host
    lab.down("ssh-1")


def declared(host, **fields):
    return replace(Host(host.name, ssh_config=host.ssh_config), **fields)


def reach(host, password=None, **fields):
    return SshTransport(declared(host, **fields), sudo_password=password)


def shell(text, line, undo=(), **how):
    return {"text": text, "ops": [{"op": "run", "argv": ["/bin/sh", "-c", line], **how}], "undo": list(undo)}


def states(server):
    text = server.read({"it": {"kind": "text", "path": JOURNAL}})["it"] or ""
    return [(line["step"], line["state"]) for line in map(json.loads, text.splitlines())]


def fresh(server):
    server.run(run("rm", "-rf", str(SITE.dir)))
    return server


# --- logins ------------------------------------------------------------------------------------------------------


def test_root_and_users_with_sudo_become_root(web):
    logins = [reach(web), reach(web, user="admin"), reach(web, user="ops", password=Secret("ops"))]
    assert [told["who"]["stdout"] for told in together(logins, lambda server: server.read(WHO))] == ["root\n"] * 3
    for server in logins:
        server.confirm()


def test_a_wrong_password_and_none_are_told_apart(web):
    with pytest.raises(HostError, match="sudo does not take this password"):
        reach(web, user="ops", password=Secret("wrong")).read(WHO)
    with pytest.raises(HostError, match="sudo asks ops for a password"):
        reach(web, user="ops").read(WHO)


def test_a_login_that_is_refused_names_the_key(web):
    with pytest.raises(HostError, match="refuses the login of ghost") as error:
        reach(web, user="ghost").read(WHO)
    assert "SHA256:" in error.value.detail


def test_an_unknown_and_a_changed_key_are_refused(web, tmp_path):
    known, config = tmp_path / "known_hosts", tmp_path / "config"
    with open(web.ssh_config) as file:
        config.write_text(file.read().replace(web.known_hosts, str(known)))
    fingerprint = web.must("ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub").split()[1]
    with pytest.raises(HostError, match="key is not known here") as error:
        reach(web, ssh_config=str(config)).read(WHO)
    assert fingerprint in error.value.detail
    with open(web.identity + ".pub") as file:
        known.write_text(f"{web.address} {file.read()}")
    with pytest.raises(HostError, match="key has CHANGED") as error:
        reach(web, ssh_config=str(config)).read(WHO)
    assert fingerprint in error.value.detail
    remove = error.value.hint.split(": ", 1)[1].split(",")[0]
    subprocess.run(remove, shell=True, check=True, capture_output=True)
    assert not known.read_text().strip()


def test_a_host_behind_another_one_is_reached_by_a_jump(lab, web):
    (gate,) = lab.up("ssh-gate")
    try:
        with open(web.ssh_config) as file:
            assert "ssh-gate" in file.read()
        web.must(
            f"nft add table inet t; nft 'add chain inet t in {{ type filter hook input priority 0; }}'; nft add rule inet t in ip saddr != {gate.address} tcp dport 22 drop"
        )
        server = reach(web, jump="ssh-gate")
        assert server.read({"it": {"kind": "caller"}})["it"]["from"] == gate.address
    finally:
        web.must("nft delete table inet t")
        lab.down("ssh-gate")


# --- what is done there ------------------------------------------------------------------------------------------


def test_project_code_runs_as_the_account_and_files_belong_to_it(web):
    server = fresh(reach(web))
    ops = [
        {"op": "mkdir", "path": f"{SITE.dir}/files", "mode": 0o750, "owner": "ops", "group": "ops"},
        {"op": "file", "path": f"{SITE.dir}/files/a", "content": "x", "mode": 0o640, "owner": "root", "group": "ops"},
        {
            "op": "run",
            "argv": ["/bin/sh", "-c", f"id -un; cat {SITE.dir}/files/a; touch {SITE.dir}/files/b; touch /srv/no"],
            "user": "ops",
        },
    ]
    with pytest.raises(HostError) as error:
        server.write([{"text": "+ files", "ops": ops}], JOURNAL, lambda _event: None)
    assert "/srv/no" in error.value.detail
    listed = server.run(run("stat", "-c", "%n %U %G %a", f"{SITE.dir}/files/a", f"{SITE.dir}/files/b")).stdout
    assert listed == f"{SITE.dir}/files/a root ops 640\n{SITE.dir}/files/b ops ops 640\n"
    assert server.run(Command(("sh", "-c", "id -un; echo $HOME"), user="ops")).stdout == "ops\n/home/ops\n"


def test_a_scratch_folder_belongs_to_the_account_and_is_gone_afterwards(web):
    server = reach(web, user="admin")
    with server.scratch({"in/a.json": "[1]"}, {"python": "/usr/bin/python3"}, owner="ops") as path:
        assert server.run(Command(("sh", "-c", f"cp {path}/in/a.json {path}/b.json && {path}/python -V"), user="ops")).ok
        assert not server.run(Command(("ls", path), user="admin")).ok
        assert server.read({"it": {"kind": "json", "path": f"{path}/b.json"}})["it"] == [1]
    assert server.read({"it": {"kind": "text", "path": f"{path}/b.json"}})["it"] is None


def test_only_pieces_that_the_host_lacks_travel(web, tmp_path):
    import hashlib

    server, store = fresh(reach(web)), f"{SITE.dir}/pieces"
    pieces = {}
    for text in ("a" * 9000, "b", ""):
        digest = hashlib.sha256(text.encode()).hexdigest()
        pieces[digest] = tmp_path / digest
        pieces[digest].write_text(text)
    assert server.ship(dict(list(pieces.items())[:1]), store, lambda _line: None) == 9000
    assert server.ship(pieces, store, lambda _line: None) == 1
    assert server.ship(pieces, store, lambda _line: None) == 0
    big, small, _empty = pieces
    entries = [["bin/run", "f", small, 0o755], ["a", "f", big, 0o644], ["link", "l", "a", 0], ["b", "f", small, 0o644]]
    op = {"op": "assemble", "store": store, "to": f"{SITE.dir}/releases/x", "entries": entries}
    server.write([{"text": "+ x", "ops": [op, {"op": "sweep", "store": store}]}], JOURNAL, lambda _event: None)
    assert (
        server.run(run("sh", "-c", f"cd {SITE.dir}/releases/x; stat -c '%n %a' a b bin/run; readlink link")).stdout
        == "a 644\nb 644\nbin/run 755\na\n"
    )


def test_a_command_gets_the_terminal_and_its_exit_status_comes_back(web):
    for server in (reach(web), reach(web, user="ops", password=Secret("ops"))):
        assert (
            server.execute(
                ("sh", "-c", "test -t 0 && test $A = b && test $(id -un) = ops && exit 7"),
                {"A": "b", "PATH": "/usr/bin:/bin"},
                "/",
                "ops",
            )
            == 7
        )
    left = reach(web).run(run("find", "/var/lib/nuages/scratch", "-type", "f")).stdout
    assert left == ""


# --- a lock that ends by itself ----------------------------------------------------------------------------------


def test_two_deploys_exclude_each_other_and_the_log_tells_who(web):
    server, other = fresh(reach(web)), reach(web, user="admin")
    with deploy_lock(server, SITE, "deploy", reason="release day") as token:
        with pytest.raises(LockHeldError, match="release day"), deploy_lock(other, SITE, "scale"):
            pass
        server.write([{**shell("+ one", "true"), "deploy": token}], JOURNAL, lambda _event: None)
    with deploy_lock(other, SITE, "scale", wait=5):
        pass
    lines = server.read({"it": {"kind": "audit", "path": str(SITE.audit)}})["it"]
    assert [(line["event"], line["what"], line["as"], line.get("outcome")) for line in lines] == [
        ("taken", "deploy", "root", None),
        ("released", "deploy", "root", "1 step"),
        ("taken", "scale", "admin", None),
        ("released", "scale", "admin", "nothing changed"),
    ]
    assert lines[0]["from"] == web.lab.addresses.gateway


def test_steps_under_a_lease_that_went_to_another_are_refused(web):
    server = fresh(reach(web))
    with lock_and_read(server, SITE, "deploy", {}) as (token, _answers):
        web.must(f'sed -i \'s/"expires": [0-9.]*/"expires": 1/\' {SITE.lock}')
        with deploy_lock(reach(web), SITE, "rollback"):
            pass
        with pytest.raises(HostError, match="this deploy's lock is gone"):
            server.write([{**shell("+ late", "true"), "deploy": token}], JOURNAL, lambda _event: None)
    assert LEASE == 120


# --- a client that dies, a host that dies ------------------------------------------------------------------------

CLIENT = """
import sys
from nuages.hosts.ssh import SshTransport
from nuages.topology.model import Host
server = SshTransport(Host("{name}", ssh_config="{config}"))
step = lambda text, line: {{"text": text, "ops": [{{"op": "run", "argv": ["/bin/sh", "-c", line]}}], "undo": [{{"op": "remove", "paths": ["/srv/shop/a"]}}]}}
steps = [step("+ a", "touch /srv/shop/a"), step("+ slow", "sleep {seconds}"), step("+ b", "touch /srv/shop/b")]
server.write(steps, "{journal}", lambda event: print(event["event"], event.get("text", ""), flush=True))
"""


def client(web, seconds):
    """Another nuages; yields once its slow step is under way."""
    text = CLIENT.format(name=web.name, config=web.ssh_config, seconds=seconds, journal=JOURNAL)
    process = subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for line in process.stdout:
        if line.strip() == "begin + slow":
            return process
    raise AssertionError(process.stderr.read())


def test_a_client_that_is_killed_leaves_the_host_to_finish(web):
    server = fresh(reach(web))
    killed = client(web, 1.5)
    killed.kill()
    killed.communicate()
    with pytest.raises(LockHeldError, match="being carried out"), deploy_lock(server, SITE, "deploy"):
        pass
    with deploy_lock(server, SITE, "deploy", wait=10):
        assert states(server)[-1] == ("+ b", "done")


def test_a_command_that_is_no_step_ends_with_its_client(web):
    server = fresh(reach(web))
    text = f"""
from nuages.hosts.command import run
from nuages.hosts.ssh import SshTransport
from nuages.topology.model import Host
SshTransport(Host("{web.name}", ssh_config="{web.ssh_config}")).run(run("sh", "-c", "echo on; exec sleep 987"), print)
"""
    with subprocess.Popen([sys.executable, "-uc", text], stdout=subprocess.PIPE) as killed:
        assert killed.stdout.readline() == b"on\n"
        killed.kill()
    time.sleep(1.5)
    assert not server.run(run("pgrep", "-f", "sleep 987")).ok


def test_ctrl_c_has_the_host_take_back_what_was_done(web):
    server = fresh(reach(web))
    stopped = client(web, 30)
    stopped.send_signal(signal.SIGINT)
    out, errors = stopped.communicate(timeout=20)
    assert "KeyboardInterrupt" in errors
    assert "failed + slow" in out
    assert states(server)[-1] == ("+ a", "undone")
    assert server.read({"it": {"kind": "files", "paths": ["/srv/shop/a", "/srv/shop/b"]}})["it"] == {
        "/srv/shop/a": None,
        "/srv/shop/b": None,
    }


def test_ctrl_c_reaches_hosts_that_are_written_to_at_the_same_time(web):
    """Only a program's first thread hears of Ctrl-C; here it is `together`, waiting for two."""
    server, other = fresh(reach(web)), reach(web, user="admin")
    other.run(run("rm", "-rf", "/srv/other"))
    steps = [
        {"text": "+ a", "ops": [{"op": "run", "argv": ["touch", "/srv/a"]}], "undo": [{"op": "remove", "paths": ["/srv/a"]}]}
    ]
    steps.append(shell("+ slow", "sleep 30"))
    journals = {server: JOURNAL, other: "/srv/other/journal.jsonl"}
    threading.Timer(1.5, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        together([server, other], lambda host: host.write(steps, journals[host], lambda _event: None))
    for host in (server, other):
        text = host.read({"it": {"kind": "text", "path": journals[host]}})["it"]
        assert json.loads(text.splitlines()[-1])["state"] == "undone"


def lose(server, steps, fault):
    """Write while this happens a second later; the error, and how long it took to be noticed."""
    threading.Timer(1, fault).start()
    started = time.monotonic()
    with pytest.raises(HostError, match="the connection was lost") as error:
        server.write(steps, JOURNAL, lambda _event: None)
    return error.value, time.monotonic() - started


def test_a_host_without_power_or_network_is_noticed_and_the_next_run_finds_what_was_done(lab, web, monkeypatch):
    """One loses power in the middle of a step; the other is cut off in silence, and is not held up by what nobody reads."""
    monkeypatch.setattr(ssh_options, "ALIVE", (2, 2))  # the same, in a third of the time
    (other,) = lab.up("ssh-2")
    dark, deaf = fresh(reach(web, identity=web.identity)), fresh(reach(other))  # another login: a connection of its own
    loud = [shell("+ loud", "for i in 1 2 3; do sleep 1; echo $i; done"), shell("+ b", "true")]
    stories = {
        dark: ([shell("+ a", "true"), shell("+ slow", "sleep 30")], lambda: web.fault(PowerOff())),
        deaf: (loud, lambda: other.fault(Cut())),
    }
    for error, seconds in together([dark, deaf], lambda server: lose(server, *stories[server])):
        assert seconds < 30
        assert "it reads the journal" in error.hint
    web.fault(PowerOn())
    other.fault(Heal())
    for host in (web, other):
        host.wait()
    assert states(dark) == [("+ a", "begin"), ("+ a", "done"), ("+ slow", "begin")]
    assert states(deaf)[-1] == ("+ b", "done")
    with deploy_lock(dark, SITE, "deploy"):
        dark.write([shell("+ slow", "true")], JOURNAL, lambda _event: None)
    lab.down("ssh-2")
