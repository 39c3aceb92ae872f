"""A deploy key deploys one site. Everything else is tried, as a thief of it would."""

import json
import socket
import subprocess
import time

import pytest
from deploy_key import LOGIN, DeployKey, forged, packed


CANARY = "canary-of-another-site"
JOURNAL = "/srv/shop/journal.jsonl"
OTHERS = f"""
mkdir -p -m 751 /srv/other/config /srv/other/shared/media /root/secrets
echo '{{"env": {{"SECRET": "{CANARY}"}}}}' | tee /srv/other/config/v1.json /srv/other/manifest.json /root/secrets/x.json >/dev/null
chmod 600 /srv/other/config/v1.json
"""
MIGRATION = """
from django.db import migrations, models
class Migration(migrations.Migration):
    dependencies = [("books", "0002_jobs")]
    operations = [migrations.AddField("book", "pages", models.IntegerField(default=0))]
"""


@pytest.fixture(scope="module")
def held(shared_shop, tmp_path_factory):
    shared_shop.host.must(OTHERS)
    shared_shop.release()
    key = DeployKey(shared_shop, tmp_path_factory.mktemp("held"))
    yield key
    key.leave()
    shared_shop.host.must("rm -rf /srv/other /root/secrets; rm -f /srv/shop/shared/media/evil /srv/shop/shared/files/evil")
    shared_shop.release()


def refused(told):
    assert told.get("event") == "failed", told
    assert CANARY not in json.dumps(told)
    return told["what"]


# --- what it is for -------------------------------------------------------------------------------------------------


def test_from_an_empty_machine_it_deploys_code_packages_and_migrations_sets_configuration_and_goes_back(held):
    shop = held.shop
    before = shop.status()["release"]
    shop.project.version("by-key")
    models = (shop.root / "books/models.py").read_text()
    changed = models.replace(
        "class Book(models.Model):\n", "class Book(models.Model):\n    pages = models.IntegerField(default=0)\n"
    )
    shop.project.write(**{"books/models.py": changed, "books/migrations/0003_pages.py": MIGRATION})
    requirements = (shop.root / "requirements.txt").read_text()
    shop.project.write(**{"requirements.txt": requirements + "colorama==0.4.6\n"})
    held.nuages("deploy")
    assert shop.version() == "by-key"
    held.nuages("config", "set", "COLOUR=red")
    held.nuages("rollback")
    assert shop.status()["release"] == before + 3
    assert "deploy key ci" in shop.host.must("cat /srv/shop/live/release.json /srv/shop/audit.jsonl")
    shop.in_order()


def test_a_deploy_that_changes_the_server_stops_before_its_first_write_and_names_what_it_would_change(held):
    shop = held.shop
    journal = shop.host.must(f"wc -l < {JOURNAL}")
    toml = (shop.root / "nuages.toml").read_text()
    shop.project.version("never")
    try:
        shop.project.write(**{"nuages.toml": toml + '\n[[cron]]\nname = "more"\ncommand = "true"\nat = "daily"\n'})
        done = held.nuages("deploy", "--json", check=False)
        assert done.returncode == 77, done.stdout + done.stderr
        error = json.loads(done.stdout.splitlines()[-1])
        assert error["event"] == "error"
        assert "shop-cron-more.timer" in error["detail"], error
        assert "a person with root" in error["hint"]
    finally:
        shop.project.write(**{"nuages.toml": toml})
    steps = [line["step"] for line in shop.journal()[int(journal) :]]
    assert all("build" in step or "environment" in step for step in steps), steps  # the store was filled, and nothing else


# --- what it is not for -----------------------------------------------------------------------------------------------


def test_it_has_no_shell_and_copies_no_files(held, tmp_path):
    for command in (("id",), ("bash", "-c", "id"), (), ("sudo", "-n", "id"), ("/usr/bin/sftp-server",), ("internal-sftp",)):
        done = held.ssh(*command)
        assert (done.returncode != 0, b"uid=" in done.stdout, b"no shell" in done.stderr) == (True, False, True), (command, done)
    terminal = held.ssh(options=("-tt",), said=b"id\n")
    assert (b"uid=" in terminal.stdout, b"PTY" in terminal.stderr) == (False, True), terminal
    for words in (
        [*held.ssh_words(program="scp"), f"{held.host.name}:/etc/passwd", str(tmp_path / "stolen")],
        [*held.ssh_words("-O", program="scp"), f"{held.host.name}:/etc/passwd", str(tmp_path / "stolen")],
        [*held.ssh_words("-b", "/dev/stdin", program="sftp"), held.host.name],
    ):
        done = subprocess.run(words, input=b"get /etc/passwd /tmp/x\n", capture_output=True, check=False, timeout=60)
        assert (done.returncode != 0, (tmp_path / "stolen").exists()) == (True, False), (words, done)


def test_it_forwards_no_port_no_socket_and_no_agent(held):
    for option in (["-L", "45432:127.0.0.1:22"], ["-L", "45432:/run/postgresql/.s.PGSQL.5432"], ["-D", "45432"]):
        words = [*held.ssh_words("-o", "ControlPath=none", "-N", *option), held.host.name]
        client = subprocess.Popen(words, stderr=subprocess.PIPE)
        try:
            assert reached("-D" in option) == b"", option
        finally:
            client.kill()
            said = client.communicate()[1]
        assert b"open failed" in said, (option, said)
    back = held.ssh("nuages-gate", options=("-o", "ExitOnForwardFailure=yes", "-R", "45433:127.0.0.1:22"), said=b"\n")
    assert b"forwarding failed" in back.stderr.lower(), back
    agent = held.ssh("nuages-gate", options=("-A", "-v"), said=b"\n")
    assert b"Requesting authentication agent forwarding" not in agent.stderr, agent


def reached(socks):
    """What answers behind the forwarded port, if anything."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        try:
            with socket.create_connection(("127.0.0.1", 45432), 5) as line:
                line.settimeout(10)
                if socks:
                    line.sendall(b"\5\1\0")
                    line.recv(2)
                    line.sendall(b"\5\1\0\1" + socket.inet_aton("127.0.0.1") + (22).to_bytes(2, "big"))
                    return line.recv(100)[10:]
                return line.recv(100)
        except ConnectionRefusedError:
            time.sleep(0.2)
        except OSError:
            return b""
    raise AssertionError("ssh never listened")


QUESTIONS = (
    {"kind": "text", "path": "/etc/shadow"},
    {"kind": "json", "path": "/srv/other/config/v1.json"},
    {"kind": "json", "path": "/srv/shop/../other/config/v1.json"},
    {"kind": "json", "path": "/srv/shop/numbered/../../other/config/v1.json"},
    {"kind": "json", "path": "/var/lib/nuages/ledger.json"},
    {"kind": "json", "path": "/var/lib/nuages/scratch/../kept/x"},
    {"kind": "site", "dir": "/srv/other"},
    {"kind": "files", "paths": ["/etc/shadow"]},
    {"kind": "supervisor", "program": "/srv/shop/releases/x/source/ctl.py", "dir": "/srv/shop"},
    {"kind": "supervisor", "program": "/srv/shop/keeper/current/ctl.py", "dir": "/srv/other"},
    {"kind": "certificates", "maker": "own", "names": [], "folder": "/root/secrets", "state": "/root"},
    {"kind": "scratch", "files": {"x": "y"}, "owner": ""},
    {"kind": "scratch", "files": {"../../x": "y"}, "owner": "shop"},
    {"kind": "scratch", "files": {}, "links": {"x": "/etc"}, "owner": "shop"},
    {"kind": "scratch", "files": {"x": "y"}, "owner": "shop", "modes": {"x": 0o4755}},
    {"kind": "unscratch", "path": "/var/lib/nuages/scratch/../../../../srv/other"},
    {"kind": "lacking", "store": "/srv/other/store", "pieces": {}},
    {"kind": "receive", "store": "/etc"},
    {"kind": "lock", "path": "/srv/other/lock.json", "token": "ab12", "owner": {}, "seconds": 5},
    {"kind": "break_lock", "path": "/srv/shop/lock.json", "who": {}},
    {"kind": "ledger"},
    {"kind": "command", "argv": ["id"]},
    {"kind": "command", "argv": ["cat", "/etc/shadow"], "user": ""},
    {"kind": "command", "argv": ["/bin/sh", "-c", "id"], "user": "root"},
    {"kind": "command", "argv": ["/bin/sh", "-c", "id"], "user": "shop"},
    {"kind": "command", "argv": ["psql", "-c", "SELECT 1"], "user": "postgres"},
    {"kind": ["site"], "dir": "/srv/shop"},
)


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda q: " ".join(map(str, q.values()))[:60])
def test_it_asks_nothing_about_others(held, question):
    refused(held.says({"read": {"it": question}}))


def test_of_a_file_that_is_not_the_sites_not_even_a_digest_is_told(held):
    told = held.asks("ready", site="shop", paths=["/etc/shadow", "/srv/other/config/v1.json", "/root/secrets/x.json"])
    paths = told["answer"]["it"]["paths"]
    assert [paths[p] for p in ("/etc/shadow", "/srv/other/config/v1.json", "/root/secrets/x.json")] == [None] * 3
    assert "conflict x" in held.says({"read": {"conflict x": {"kind": "command", "argv": ["cat", "/etc/shadow"]}}})["answer"]
    assert CANARY not in json.dumps(told)


FILE = {"op": "file", "content": "x", "mode": 0o644}
ROOT = {"op": "run", "env": {}, "timeout": 5}
CTL = ["/usr/bin/python3", "-I", "-S", "/srv/shop/keeper/current/ctl.py", "/srv/shop"]
OPS = (
    {**FILE, "path": "/etc/cron.d/evil"},
    {**FILE, "path": "/srv/shop/../../etc/cron.d/evil"},
    {**FILE, "path": "/srv/shop/shared/media/../../../../etc/cron.d/evil"},
    {**FILE, "path": "/srv/shop/shared/media/evil/cron.d/evil"},
    {**FILE, "path": "/srv/shop/keeper/current/ctl.py"},
    {**FILE, "path": "/srv/shop/journal.jsonl"},
    {**FILE, "path": "/srv/shop/audit.jsonl"},
    {**FILE, "path": "/srv/shop/lock.json"},
    {**FILE, "path": "/srv/shop/access.json"},
    {**FILE, "path": "/srv/shop/site.json"},
    {**FILE, "path": "/srv/other/config/v2.json"},
    {**FILE, "path": "/usr/local/lib/nuages/shop/reading.py"},
    {**FILE, "path": "/srv/shop/releases/abc/source/manage.py"},
    {**FILE, "path": "/srv/shop/shared/config-files/../../keeper/current/ctl.py", "mode": 0o640, "group": "shop"},
    {"op": "symlink", "path": "/srv/shop/live", "target": "../other"},
    {"op": "symlink", "path": "/srv/shop/keeper/current", "target": "../releases/abc/source"},
    {"op": "symlink", "path": "/etc/cron.d/evil", "target": "numbered/v1"},
    {"op": "mkdir", "path": "/srv/shop/shared/media/evil", "owner": "shop", "group": "shop"},
    {"op": "mkdir", "path": "/etc/evil"},
    {"op": "remove", "paths": ["/srv/other"]},
    {"op": "remove", "paths": ["/srv/shop/releases/../../other"]},
    {"op": "remove", "paths": ["/srv/shop/audit.jsonl"]},
    {"op": "remove", "paths": ["/srv/shop/shared/data"]},
    {"op": "chown", "path": "/etc/shadow", "owner": "shop"},
    {"op": "copy", "path": "/etc", "to": "/srv/shop/shared/media/etc"},
    {"op": "union", "path": "/etc", "to": "/srv/shop/shared/static"},
    {"op": "union", "path": "/srv/shop/releases/abc/static", "to": "/etc"},
    {"op": "prune", "path": "/etc", "keep": []},
    {"op": "prune", "path": "/srv/shop/shared/static", "keep": ["/etc"]},
    {"op": "sweep", "store": "/srv/other"},
    {"op": "assemble", "store": "/srv/shop/store", "to": "/srv/other/releases/x", "entries": {"piece": "0" * 64}},
    {"op": "assemble", "store": "/srv/shop/store", "to": "/srv/shop/releases/x", "entries": [["a", "l", "/etc", 511]]},
    {"op": "packages", "names": ["nmap"]},
    {"op": "install", "path": "/etc/cron.d/evil", "content": "x", "mode": 420, "owner": "root", "group": "root"},
    {"op": "account", "name": "evil", "comment": "x", "home": "/root", "shell": "/bin/sh"},
    {"op": "unit", "name": "ssh.service"},
    {"op": "action", "key": "x", "command": {"argv": ["id"]}},
    {"op": "ledger", "site": "shop"},
    {"op": "gate_snapshot", "path": "/etc/cron.d/evil", "argv": ["id"], "env": {}, "cwd": "/", "user": "root", "timeout": 5},
    {**ROOT, "argv": ["id"]},
    {**ROOT, "argv": ["/bin/sh", "-c", "id"], "user": "root"},
    {**ROOT, "argv": ["/bin/sh", "-c", "id"], "user": "postgres"},
    {**ROOT, "argv": ["/usr/bin/python3", "-c", "print(1)"]},
    {**ROOT, "argv": [*CTL, "down"]},
    {**ROOT, "argv": [*CTL[:4], "/srv/other", "down"]},
    {**ROOT, "argv": [*CTL, "start", "../../../other/run/generations/v1-ab"]},
    {**ROOT, "argv": [*CTL, "ensure", "--listen", "/etc/passwd"]},
    {**ROOT, "argv": ["/srv/shop/venvs/x/bin/python", "-I", "-S", "-c", "print(1)"]},
    {**ROOT, "argv": ["/bin/sh", "-c", "set -e; umask 077; path=$1 user=$2; shift 2;", "sh", "/etc/cron.d/evil", "shop", "id"]},
    {
        **ROOT,
        "argv": [
            "/bin/sh",
            "-c",
            "set -e; umask 077; path=$1 user=$2; shift 2;",
            "sh",
            "/srv/shop/snapshots/x.dump",
            "root",
            "id",
        ],
    },
    {"op": ["file"]},
    {},
)


@pytest.mark.parametrize("op", OPS, ids=lambda op: str(list(op.values()))[:70])
def test_it_writes_and_runs_nothing_else(held, op):
    refused(held.writes(op))
    refused(held.writes(undo=(op,)))


def test_nothing_of_that_is_there(held):
    told = held.host.must(
        "ls -d /etc/cron.d/evil /etc/evil /srv/other/store /srv/other/lock.json 2>&1; dpkg -l nmap 2>&1; id evil 2>&1; true"
    )
    assert told.count("No such file") == 4, told
    assert ("no packages found" in told, "no such user" in told) == (True, True), told
    held.shop.in_order()


# --- links that others planted -------------------------------------------------------------------------------------------


def test_links_that_the_sites_account_plants_lead_nowhere(held):
    plant = "ln -sfn /etc /srv/shop/shared/media/evil; ln -sfn /etc /srv/shop/shared/files/evil"
    held.host.must(f"runuser -u shop -- sh -c '{plant}'")
    token = held.locks()
    try:
        refused(held.writes({**FILE, "path": "/srv/shop/shared/media/evil/x"}, deploy=token))
        refused(
            held.writes({"op": "union", "path": "/srv/shop/shared/media/evil", "to": "/srv/shop/shared/static"}, deploy=token)
        )
        folder = held.asks("scratch", files={"here": ""}, owner="shop")["answer"]["it"]["path"]
        links = f"ln -s /srv/other/config/v1.json {folder}/answer.json; ln -s /srv/other {folder}/deep; mkfifo {folder}/pipe.json"
        held.host.must(f"runuser -u shop -- sh -c '{links}'")
        for path in ("answer.json", "deep/manifest.json", "pipe.json"):
            told = held.asks("json", path=f"{folder}/{path}")
            assert told["answer"]["it"] is None, told
        held.asks("unscratch", path=folder)
    finally:
        held.unlocks(token)


BUILDS = (
    [["source", "l", "/etc", 0o777], ["source/cron.d/evil", "f", "DATA", 0o644]],
    [["source/x", "l", "../../../keeper/current", 0o777], ["source/x/ctl.py", "f", "DATA", 0o644]],
    [["source/x", "l", "../../../../other/config", 0o777]],
    [["static/x", "l", "../source/x", 0o777]],
    [["static", "l", "source", 0o777]],
    [["../../../etc/cron.d/evil", "f", "DATA", 0o644]],
    [["/etc/cron.d/evil", "f", "DATA", 0o644]],
    [["source/x", "f", "../../../etc/shadow", 0o644]],
    [["source/x", "f", "DATA", 0o4755]],
    [["source/x", "d", "", 0o777]],
    [["source/x", "f", "DATA", 0o644], ["source/x", "f", "DATA", 0o644]],
)


@pytest.mark.parametrize("entries", BUILDS, ids=lambda entries: str(entries[0][:3]))
def test_a_malicious_build_is_not_put_together(held, entries):
    venv = held.host.must("ls /srv/shop/venvs").split()[0]
    manifest = json.dumps({"build": "evil", "environment": f"/srv/shop/venvs/{venv}", "processes": []}).encode()
    data, told = held.sends(b"evil\n", manifest)
    whole = [[n, k, data if what == "DATA" else what, mode] for n, k, what, mode in entries]
    (listed,) = held.sends(json.dumps([*whole, ["manifest.json", "f", told, 0o644]]).encode())
    op = {"op": "assemble", "store": "/srv/shop/store", "to": "/srv/shop/releases/evil", "entries": {"piece": listed}}
    refused(held.writes(op))
    assert "evil" not in held.host.must(
        "ls -R /etc/cron.d /srv/shop/releases /srv/shop/keeper | grep -c evil || true",
    ).replace("0\n", "")


# --- the lock, the program, the size ----------------------------------------------------------------------------------------


def test_somebody_elses_lock_is_neither_given_back_nor_taken_over_and_nobody_writes_without_one(held):
    shop = held.shop
    lock = {
        "token": "cd34",
        "owner": {"user": "ada", "remote": True, "host": "laptop", "what": "deploy"},
        "since": 0,
        "expires": 9e9,
    }
    shop.host.must("cat > /srv/shop/lock.json && chmod 600 /srv/shop/lock.json", stdin=json.dumps(lock))
    try:
        assert "token" not in held.asks("site", dir="/srv/shop")["answer"]["it"]["lock"]
        held.unlocks("cd34")
        refused(held.asks("lock", path="/srv/shop/lock.json", token="ab12", owner={}, seconds=5, over="cd34"))
        told = refused(held.writes({"op": "remove", "paths": ["/srv/shop/shared/maintenance"]}, deploy="cd34"))
        assert "does not hold the lock" in told
        assert "ada" in shop.host.must("cat /srv/shop/lock.json")
    finally:
        shop.host.must("rm -f /srv/shop/lock.json")
    token = held.locks()
    assert json.loads(shop.host.must("cat /srv/shop/lock.json"))["owner"]["user"] == "deploy key ci"
    held.unlocks(token)


def test_code_that_a_client_sends_is_not_run(held):
    evil = forged("open('/etc/cron.d/evil', 'w').write('x')")
    told = held.raw(evil + b'{"read": {"it": {"kind": "caller"}}}\n')
    assert told[-1]["answer"]["it"]["as"] == "deploy key ci"
    refused(held.says({"read": {}, "write": [], "journal": "/etc/cron.d/evil"}))
    assert held.host.run("ls /etc/cron.d/evil").status != 0


def test_a_request_without_end_is_cut_off(held):
    assert "too long" in refused(held.raw(b'{"read": {"' + b"x" * (40 << 20))[-1])
    assert "too long" in refused(held.raw(packed(b'{"read": "' + b"x" * (200 << 20) + b'"}'))[-1])
    assert "understand" in refused(held.raw(packed(b"[" * 100000))[-1])
    assert "understand" in refused(held.raw(b"{}[]\n")[-1])


WALLS = """
import sys, os, json
sys.path.insert(0, "/usr/local/lib/nuages/shop")
import gate
gate.load()
import walls
walls.raise_round(json.load(open("/usr/local/lib/nuages/shop/gate.json")))
def tried(work):
    try: return repr(work())
    except OSError as error: return error.strerror
print(json.dumps({
    "etc": tried(lambda: open("/etc/evil", "w")), "gate": tried(lambda: open("/usr/local/lib/nuages/shop/gate.py", "a")),
    "shadow": tried(lambda: open("/etc/shadow").read()), "root": tried(lambda: os.listdir("/root")), "srv": tried(lambda: os.listdir("/srv")),
    "own": tried(lambda: open("/srv/shop/.tried", "w").close() or os.unlink("/srv/shop/.tried")), "remount": tried(lambda: os.mkdir("/srv/other")),
}))
"""


def test_behind_the_judges_there_is_a_wall_that_the_kernel_holds(held):
    told = json.loads(held.host.must("python3 -IS -", stdin=WALLS))
    assert told["etc"] == told["gate"] == told["remount"] == "Read-only file system", told
    assert (told["shadow"], told["root"], told["srv"], told["own"]) == ("''", "[]", "['shop']", "None"), told


def test_taken_away_it_opens_nothing(held, tmp_path):
    other = DeployKey(held.shop, tmp_path, "old")
    assert other.asks("caller")["answer"]
    other.leave()
    assert b"Permission denied" in other.ssh("nuages-gate").stderr
    assert held.asks("caller")["answer"]["it"]["as"] == "deploy key ci"
    assert LOGIN in held.host.must("ls /etc/sudoers.d")


# --- people -------------------------------------------------------------------------------------------------------------------


def test_people_of_the_team_come_and_go_and_the_key_in_use_stays(held, tmp_path):
    shop, key = held.shop, tmp_path / "ada"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    shop.nuages("access", "add", "ada", "-", said=(tmp_path / "ada.pub").read_text())

    def logs_in():
        known = [
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            "UserKnownHostsFile=/dev/null",
            "-o",
            "IdentitiesOnly=yes",
            "-o",
            "BatchMode=yes",
        ]
        words = ["ssh", "-F", "/dev/null", "-i", str(key), *known, f"deploy@{held.host.address}", "sudo -n id -u"]
        return subprocess.run(words, capture_output=True, check=False, timeout=60)

    assert logs_in().stdout == b"0\n", logs_in()
    told = json.loads(shop.nuages("access", "list", "--json").stdout)
    ada, (used,) = next(row for row in told if row["name"] == "ada"), [row for row in told if row["note"] == "in use now"]
    assert (ada["kind"], ada["login"], bool(ada["since"])) == ("person", "deploy", True)
    assert "came by" in shop.refused("access", "remove", used["fingerprint"])
    assert "is that key already" in shop.refused("access", "add-deploy-key", "two", str(tmp_path / "ada.pub"))
    shop.nuages("access", "remove", "ada")
    assert b"Permission denied" in logs_in().stderr
    assert ada["fingerprint"] not in shop.nuages("access", "list").stdout
    assert "is the last key" in shop.refused("access", "remove", used["fingerprint"], "--in-use")


def test_the_hosts_own_keys_are_told_as_known_hosts_has_them(held):
    told = held.shop.nuages("access", "host-keys").stdout.splitlines()
    assert held.host.public_host_key.split()[:2] in [line.split()[1:3] for line in told]
