"""Two sites on one host: what an intruder finds from elsewhere, what one site learns of the other, where secrets lie, and
what a hostile site makes root do. NUAGES_FULL=1 puts testssl.sh before it too."""

from __future__ import annotations

import json
import re
import secrets
import subprocess
import threading
from pathlib import Path

import pytest
from deployed import Deployed, eventually
from intruder import AMBIGUOUS, CLAIMS, HEAD, open_ports, said
from live_site import FULL

from nuages.hosts.ssh import SshTransport
from nuages.topology.model import Host


WRITES = '[project]\nwritable = ["uploads"]\n'
# What everybody on the host may read of a site: what its visitors get, our own programs, the authority's public half.
PUBLIC = r"/srv/other/(shared/(static|pages)/|keeper/|site\.json|certificates/(certificate\.(py|json)|authority/(ca\.pem|names\.json)))|/etc/nuages/"
OWN = r"/srv/other/shared/(media|data|files|home)|/srv/other/errors(/|$)|/run/nuages-other(/|$)|/run/other-cache/cache\.sock$"


@pytest.fixture(scope="module")
def other(shared_shop, tmp_path_factory):
    """A second site on the shop's host, with a folder that it writes."""
    site = Deployed(tmp_path_factory.mktemp("other"), shared_shop.host, name="other", domain="other.example", tables=WRITES)
    site.project.write(**{"uploads/first.txt": "first"})
    site.release()
    yield site
    site.nuages("destroy", "--with-data", "--yes", "other", check=False)


def by(site, script):
    """A script as the account of a site, outside of any sandbox: more than its processes may do."""
    return site.host.run("runuser", "-u", site.name, "--", "sh", "-c", script)


# --- from elsewhere -------------------------------------------------------------------------------------------


def test_a_scan_from_another_host_finds_ssh_and_the_web_and_nothing_else(lab, shop, other):
    (scanner,) = lab.up("scan-1")
    try:
        found = open_ports(scanner, shop.host.address)
    finally:
        lab.down("scan-1")

    assert found == {"tcp": [22, 80, 443], "udp": []}
    listening = shop.host.must("ss -Hltun").splitlines()
    assert {line.split()[4].rpartition(":")[2] for line in listening} == {"22", "80", "443"}


@pytest.mark.parametrize("request_", AMBIGUOUS.values(), ids=AMBIGUOUS.keys())
def test_what_two_programs_may_read_differently_is_refused(shop, request_):
    answer = said(shop.host.address, request_)
    assert re.match(rb"HTTP/1.1 (400|501) ", answer), answer[:80]
    assert answer.count(b"HTTP/1.1") == 1


def test_what_a_visitor_claims_of_himself_does_not_reach_the_project(shop):
    claims = "".join(f"{line}\r\n" for line in CLAIMS).encode()
    answer = said(shop.host.address, b"GET /whoami HTTP/1.1\r\n" + HEAD + claims + b"Connection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"6.6.6.6" not in answer
    assert b"evil" not in answer
    assert b'"secure": true' in answer


def test_names_of_nobody_get_no_answer(shop):
    ask = b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n"
    assert said(shop.host.address, ask, port=80) == b""
    assert said(shop.host.address, ask) == b""  # TLS began with a name of ours
    with pytest.raises(OSError, match="UNRECOGNIZED_NAME"):
        said(shop.host.address, ask, name="evil.example")


@pytest.mark.skipif(not FULL, reason="testssl.sh takes minutes: NUAGES_FULL=1")
@pytest.mark.timeout(1500)
def test_testssl_finds_no_weakness(lab, shop):
    (scanner,) = lab.up("scan-2")
    try:
        scanner.must(
            "apt-get install -y -q --no-install-recommends testssl.sh procps bsdextrautils dnsutils >/dev/null", timeout=600
        )
        scanner.must(f"echo '{shop.host.address} {shop.domain}' >> /etc/hosts")
        words = "--quiet --color 0 --warnings batch -p -s -f -U --jsonfile /tmp/found.json"
        scanner.run(f"testssl {words} --ip {shop.host.address} {shop.domain}:443", timeout=1400)
        found = json.loads(scanner.must("cat /tmp/found.json"))
    finally:
        lab.down("scan-2")
    bad = {one["id"]: one["finding"] for one in found if one["severity"] in ("MEDIUM", "HIGH", "CRITICAL")}
    assert len(found) > 30
    assert set(bad) <= {"BREACH"}, bad  # pages are compressed, and Django masks its token anew in each


# --- on the host ----------------------------------------------------------------------------------------------

EVERY = (
    "find /srv /run/nuages-* /run/*-cache /etc /var/lib/nuages /var/log /root /usr /opt -xdev -not -type l -print0 2>/dev/null"
)


def files_for(site, test):
    """Paths that the account may read ("-r") or write ("-w"), whether or not it could list the folder."""
    ask = f'runuser -u {site.name} -- xargs -0 sh -c \'for f; do [ {test} "$f" ] && echo "$f"; done; true\' sh'
    return site.host.must(f"{EVERY} | {ask}", timeout=300).splitlines()


def test_a_site_can_write_what_is_its_own_and_neither_its_code_nor_anything_else(other):
    writable = files_for(other, "-w")
    assert [path for path in writable if not re.match(OWN, path)] == []
    assert "/srv/other/shared/data" in writable
    for forbidden in ("systemctl restart nginx", "sudo -n id", "psql -XAt other -c \"COPY (SELECT 1) TO PROGRAM 'id'\""):
        assert not by(other, forbidden).ok, forbidden


def test_a_site_reads_nothing_of_another(shop, other):
    shop.host.must("echo hers > /srv/shop/shared/media/hers.txt; chown shop:www-data /srv/shop/shared/media/hers.txt")
    theirs = [path for path in files_for(other, '-f "$f" ] && [ -r') if path.startswith(("/srv/", "/run/", "/etc/nuages/"))]
    public = PUBLIC.replace("other", "shop")
    assert [
        path for path in theirs if not path.startswith(("/srv/other", "/run/nuages-other")) and not re.match(public, path)
    ] == []
    secret = r"(\.env|env\.json|spec\.json|privkey\.pem|ca-key\.pem|/config/v\d+\.json|(audit|journal)\.jsonl)$"
    assert [path for path in theirs if re.search(secret, path)] == []

    sockets = shop.host.must("ls /run/nuages-shop/*/web.sock /run/shop-cache/cache.sock; echo /srv/shop/run/web.sock").split()
    assert len(sockets) > 2
    for path in sockets:
        connect = f"import socket; socket.socket(socket.AF_UNIX).connect({path!r})"
        assert "PermissionError" in by(other, f'python3 -c "{connect}"').stderr
    assert "permission denied for database" in by(other, "psql -XAt shop -c 'SELECT 1'").stderr
    assert "Peer authentication failed" in by(other, "psql -XAt -U shop shop -c 'SELECT 1'").stderr
    assert by(other, "psql -XAt other -c 'SELECT 1'").stdout == "1\n"
    pids = shop.host.must("pgrep -u shop").split()
    assert by(other, f"cat {' '.join(f'/proc/{pid}/environ' for pid in pids)}").stdout == ""


def test_the_sandbox_of_every_unit(shop, other):
    scores = {
        line.split()[0]: float(line.split()[1])
        for line in shop.host.must("systemd-analyze security --no-pager").splitlines()[1:]
        if "." in line.split()[1]
    }
    ours = {name: score for name, score in scores.items() if name.startswith(("shop-", "other-"))}
    assert {name.partition("@")[0] for name in ours} >= {
        "shop-web",
        "shop-worker",
        "shop-beat",
        "other-web",
        "shop-cache.service",
    }
    assert {name: score for name, score in ours.items() if score >= 2 and "certificate" not in name} == {}
    assert scores["nginx.service"] < 3


def test_sshd_takes_keys_only_and_updates_are_those_of_security(shop):
    told = dict(line.partition(" ")[::2] for line in shop.host.must("sshd -T").splitlines())
    assert (
        told["passwordauthentication"]
        == told["kbdinteractiveauthentication"]
        == told["permitemptypasswords"]
        == told["x11forwarding"]
        == "no"
    )
    assert told["permitrootlogin"] in ("without-password", "prohibit-password")
    assert (
        shop.host.must("passwd -S root shop other 2>/dev/null || for n in root shop other; do passwd -S $n; done").count(" L ")
        == 3
    )
    said = shop.host.must("unattended-upgrade --dry-run --verbose 2>&1", timeout=300)
    (origins,) = re.findall(r"Allowed origins are: (.*)", said)
    assert set(re.findall(r"codename=([\w-]+)", origins)) == {"trixie-security"}
    assert 'Automatic-Reboot "false"' in shop.host.must("apt-config dump")


# --- secrets --------------------------------------------------------------------------------------------------

WATCH = """
import os, sys, time
marker, seen, count, end = sys.argv[1].encode(), set(), 0, time.time() + 600
while not os.path.exists("/run/watched") and time.time() < end:
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/cmdline" % pid, "rb") as file:
                line = file.read()
        except OSError:
            continue
        count += 1
        if marker in line and int(pid) != os.getpid() and b"WATCH" not in line:
            seen.add(line)
    time.sleep(0.002)
print(count, seen)  # WATCH
"""


def test_a_secret_is_in_files_of_root_and_in_the_site_s_own_environment_and_nowhere_else(other):
    marker = f"hush{secrets.token_hex(8)}"
    watching = threading.Thread(target=lambda: seen.append(other.host.run("python3", "-c", WATCH, marker, timeout=600).stdout))
    seen: list[str] = []
    watching.start()
    other.nuages("config", "set", "TOKEN=-", said=marker)
    other.bring(2)
    other.host.must("touch /run/watched")
    watching.join(30)
    other.host.must("rm /run/watched")
    count, lines = seen[0].strip().split(" ", 1)
    assert int(count) > 1000
    assert lines == "set()", "a command line held it"

    where = "/" if FULL else "/srv /var/lib /var/log /var/tmp /etc /run /tmp /root /home /opt"
    grep = f"grep -rlaF --exclude-dir=proc --exclude-dir=sys -- {marker} {where} 2>/dev/null | xargs -r stat -c '%a %U:%G %n'"
    found = other.host.must(grep, timeout=600).splitlines()
    assert found
    kept = r"600 root:root /srv/other/(config/v\d+\.json|numbered/v\d+/env\.json|run/generations/[\w-]+/(spec\.json|web\.env)|run/failed/tell\.env)"
    assert [line for line in found if not re.fullmatch(kept, line)] == []
    holders = other.host.must(
        f"for p in /proc/[0-9]*; do tr '\\0' '\\n' < $p/environ 2>/dev/null | grep -qF {marker} && stat -c %U $p; done; true"
    )
    assert set(holders.split()) == {"other"}
    assert marker in other.get("/variable/TOKEN").body

    here = [Path("~/.cache/nuages").expanduser(), other.folder]
    grep = ["grep", "-rlaF", "--exclude-dir=venvs", "--exclude-dir=wheels", "--", marker, *map(str, here)]
    mine = subprocess.run(grep, capture_output=True, text=True, check=False).stdout.split()
    assert [path for path in mine if Path(path).stat().st_mode & 0o077] == []


# --- a hostile site -------------------------------------------------------------------------------------------

PRECIOUS = (
    "rm -rf /opt/precious; mkdir -m 700 /opt/precious; echo gold > /opt/precious/first.txt; chmod 600 /opt/precious/first.txt"
)
LOOK = "find /opt/precious -printf '%p %y %m %u %g %s %C@\\n'; stat -c '%a %U:%G' /etc/shadow /etc/passwd /etc; sha256sum /opt/precious/*"


@pytest.fixture
def precious(other):
    other.host.must(PRECIOUS)
    before = other.host.must(LOOK)
    yield
    assert other.host.must(LOOK) == before


def test_links_among_uploads_lead_the_proxy_nowhere(shop, other, precious):
    shop.host.must("install -o shop -g www-data -m 640 /dev/null /srv/shop/shared/media/bill.pdf")
    lay = "cd /srv/other/shared/media && ln -sfn /etc/passwd a.txt && ln -sfn /srv/shop/shared/media/bill.pdf b.pdf && ln -sfn / c && echo mine > mine.txt"
    assert by(other, lay).ok
    for path in ("a.txt", "b.pdf", "c/etc/passwd", "c/srv/shop/shared/media/bill.pdf"):
        assert other.get(f"/media/{path}").status in (403, 404), path
    assert other.get("/media/mine.txt").body == "mine\n"


def test_links_in_its_folders_lead_a_deploy_nowhere(other, precious):
    """The folder that it writes is a link by now, and the next release brings a file for it."""
    lay = "cd /srv/other/shared && rm -rf files/uploads && ln -s /opt/precious files/uploads && ln -sfn /etc/shadow data/x && ln -sfn /opt/precious data/y"
    assert by(other, lay).ok
    other.project.write(**{"uploads/second.txt": "second", "uploads/first.txt": "changed"})
    other.nuages("deploy", check=False)
    assert other.host.must("ls /opt/precious") == "first.txt\n"

    assert by(other, "cd /srv/other/shared && rm files/uploads data/x data/y").ok
    other.release()
    assert other.host.must("cat /srv/other/shared/files/uploads/second.txt") == "second"


def test_links_pipes_and_floods_where_its_processes_report_hold_up_nobody(other, precious):
    """Its account may open its folder in /run; the next generations are made beside what it laid there."""
    live = other.host.must("readlink /srv/other/run/web.sock").split("/")[3]
    lay = (
        f"chmod 700 /run/nuages-other && cd /run/nuages-other && ln -s /opt/precious trap && cd {live}/proof && mkfifo a.json && "
        "ln -s /etc/shadow b.json && truncate -s 3G c.json && ln -s /opt/precious d.json && mkdir e.json && echo '[[[[' > f.json"
    )
    assert by(other, lay).ok
    assert other.status()["processes"]
    other.bring(3)
    assert eventually(lambda: other.version() == "3")
    other.in_order()
    assert other.host.must("stat -c '%a %U:%G' /run/nuages-other") == "510 other:www-data\n"
    assert by(other, "rm /run/nuages-other/trap").stderr  # closed again


def test_root_s_own_steps_on_a_folder_that_is_the_site_s_follow_no_link(other, precious):
    """Straight to the agent, as no plan would: each op on a path that the account has swapped for a link."""
    agent = SshTransport(Host(other.host.name, ssh_config=other.host.ssh_config))
    data = "/srv/other/shared/data"
    lay = f"cd {data} && mkdir tree && ln -s /opt/precious tree/out && ln -s /opt/precious/first.txt tree/first.txt && ln -s /opt/precious folder && ln -s /opt/precious/first.txt file && ln -s /opt/precious/new new"
    assert by(other, lay).ok
    tries = [
        {"op": "chown", "path": f"{data}/tree", "owner": "other", "group": "other", "recursive": True},
        {"op": "chown", "path": f"{data}/folder", "owner": "other", "group": "other", "mode": 0o777, "recursive": True},
        {"op": "mkdir", "path": f"{data}/folder", "mode": 0o777, "owner": "other", "group": "other"},
        {"op": "mkdir", "path": f"{data}/folder", "mode": 0o777},
        {"op": "directory", "path": f"{data}/folder", "mode": 0o777, "owner": "other", "group": "other", "whose": "other"},
        {"op": "manners", "path": f"{data}/file", "mode": 0o666, "owner": "other", "group": "other"},
        {"op": "file", "path": f"{data}/file", "content": "ours", "mode": 0o600},
        {"op": "symlink", "path": f"{data}/new", "target": "/nowhere"},
        {"op": "copy", "path": f"{data}/tree", "to": f"{data}/copied", "owner": "other", "group": "other"},
        {"op": "remove", "paths": [f"{data}/folder", f"{data}/tree"]},
        {"op": "empty", "path": f"{data}", "keep": []},
    ]
    for op in tries:
        step = {"text": f"{op['op']}", "ops": [op], "undo": []}
        try:
            agent.write([step], "/run/nuages/intruder.jsonl", lambda _event: None)
        except Exception as error:  # noqa: BLE001 - refusing is as good as not following
            print(op["op"], error)
        assert (
            other.host.must("cat /opt/precious/first.txt; ls /opt/precious; stat -c %U:%a /opt/precious")
            == "gold\nfirst.txt\nroot:700\n"
        ), op


def test_leaving_with_all_its_data_takes_links_and_not_what_they_lead_to(shop, other, precious):
    lay = "for f in media files home; do ln -s /opt/precious /srv/other/shared/$f/out; ln -s /etc/shadow /srv/other/shared/$f/shadow; done; ln -s / /srv/other/shared/files/root"
    assert by(other, lay).ok
    other.nuages("destroy", "--with-data", "--yes", "other")
    assert not other.host.run("ls -d /srv/other /run/nuages-other /run/other-cache").stdout
    assert shop.get("/whoami").status == 200
    shop.host.must("rm -f /srv/shop/shared/media/bill.pdf /srv/shop/shared/media/hers.txt")
    shop.in_order()
