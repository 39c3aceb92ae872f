"""A site under systemd on a lab host, with nothing installed: its web command, worker and clock are a few lines of Python.

    site = Units(host, image="13")
    site.make_ready()
    site.bring(1); site.go(1)

Everything is written as the engine would write it; the words are said to ctl.py as root.
"""

from __future__ import annotations

import json
from dataclasses import replace

from carry_out import carry_out

from nuages.components.registry import app_server
from nuages.components.supervisor import version_of
from nuages.components.supervisor.systemd import UNITCTL, Systemd
from nuages.release.shipped import RUNTIME
from nuages.testing import shop_build, shop_placement


SERVER = """
import http.server, json, os
class Site(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        text = json.dumps(tried()) if self.path == "/try" else os.environ["VERSION"]
        self.send_response(500 if os.environ.get("BROKEN") else 200)
        self.send_header("Content-Length", str(len(text))); self.end_headers(); self.wfile.write(text.encode())
    def log_message(self, *words): pass
def tried():
    here, own = os.path.abspath(__file__), "/srv/shop/run/generations/" + os.environ["NUAGES_GENERATION"]
    told = {"hostile": os.environ["HOSTILE"]}
    for path in (here, own + "/web", "/etc/x", "/srv/shop/logs/web.log", "/srv/shop/run/x", "/srv/shop/shared/data/x"):
        told["write " + path.replace(here, "code").replace(own + "/web", "script")] = works(lambda: open(path, "a"))
    for path in (own + "/web.env", own + "/spec.json", "/etc/shadow", "/proc/1/cmdline"):
        told["read " + path.rpartition("/")[2]] = works(lambda: open(path).read())
    return told
def works(act):
    try: act()
    except OSError: return False
    return True
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Site).serve_forever()
"""
WORKER = """
import os, signal, time
leaving = []
signal.signal(signal.SIGTERM, lambda *_: leaving.append(1))
def note(what):
    with open("/srv/shop/shared/data/jobs", "a") as file: file.write("%s %d %s\\n" % (os.environ["VERSION"], os.getpid(), what))
while not leaving:
    note("begin")
    end = time.time() + 1.5
    while time.time() < end: time.sleep(0.05)
    note("end")
"""
CLOCK = """
import fcntl, os, signal, sys, time
def note(what):
    with open("/srv/shop/shared/data/ticks", "a") as file: file.write(os.environ["VERSION"] + " " + what + "\\n")
def leave(*_):
    time.sleep(0.5)
    sys.exit()
signal.signal(signal.SIGTERM, leave)
lock = open("/srv/shop/shared/data/clock.lock", "w")
try: fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
except OSError: note("TWICE")
note("up")
while True: time.sleep(0.1)
"""
# Connects where the proxy would, as its user would; new connections all the time, each of which must be answered.
LOAD = """
import collections, http.client, os, socket, sys, time
os.setgid(33); os.setuid(33)
class Unix(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX); self.sock.settimeout(10); self.sock.connect("/srv/shop/run/web.sock")
counts = collections.Counter()
print("begun", flush=True)
while not os.path.exists("/run/enough"):
    try:
        connection = Unix("shop.example"); connection.request("GET", "/"); answer = connection.getresponse()
        counts[answer.read().decode() if answer.status == 200 else "lost"] += 1
        connection.close()
    except (OSError, http.client.HTTPException) as error:
        counts["lost"] += 1
    time.sleep(0.005)
import json; json.dump(counts, open("/tmp/counts.json", "w"))
"""
HOSTILE = "a\nb\"c'd$HOME `id` \\ \\n é ☃ ${X} #x \t "
PROCESSES = [
    {"name": "web", "kind": "web", "command": "python3 server.py", "source": "Procfile", "note": "", "own_server": True},
    {"name": "worker", "kind": "worker", "command": "python3 worker.py", "source": "Procfile", "note": ""},
    {"name": "clock", "kind": "scheduler", "command": "python3 clock.py", "source": "Procfile", "note": ""},
]
READY = """
id shop >/dev/null 2>&1 || useradd --system --user-group --no-create-home --home /nonexistent --shell /usr/sbin/nologin shop
install -d -m 0751 /srv/shop /srv/shop/shared; install -d -m 0750 -g shop /srv/shop/releases; install -d -m 0750 /srv/shop/logs
install -d -o shop -g shop /srv/shop/shared/media /srv/shop/shared/data /srv/shop/shared/files
systemd-tmpfiles --create /etc/tmpfiles.d/nuages-shop.conf
"""


class Units:
    def __init__(self, host, image="13", **declared):
        self.host = host
        self.supervisor = Systemd()
        build = shop_build(processes=PROCESSES)
        self.placement = shop_placement(os_version=image, build=build, **{"drain": 10, "scale": {"worker": 2}, **declared})

    def make_ready(self):
        carry_out(self.host, *self.supervisor.describe(self.placement))
        self.host.must(READY)
        home = f"/srv/shop/keeper/{version_of(UNITCTL)}"
        for path in UNITCTL.glob("*.py"):
            self.write(f"{home}/{path.name}", path.read_text())
        self.host.must(f"ln -sfn {home} /srv/shop/keeper/current")
        self.ask("ensure", "--listen", "127.0.0.1:8000")

    def write(self, path, text):
        self.host.must("sh", "-c", f"mkdir -p {path.rpartition('/')[0]} && cat > {path}", stdin=text)

    def ask(self, *words, wrong=False):
        command = self.supervisor.ask(self.placement.layout, self.placement.machine, *words)
        answer = json.loads(self.host.run(*command.argv).stdout)
        assert ("error" in answer) == wrong, answer
        return answer

    def bring(self, number, **env):
        """A release with its generation's spec, on the host's disk."""
        build = replace(self.placement.build, id=f"b{number}", path=self.placement.layout.build(f"b{number}"))
        source = str(build.source)
        for name, text in (("server.py", SERVER), ("worker.py", WORKER), ("clock.py", CLOCK)):
            self.write(f"{source}/{name}", text)
        self.write(f"{build.path}/runtime/nuages_runtime/relay.py", (RUNTIME / "relay.py").read_text())
        policy = {**self.placement.policy, "manage_dir": source, "domains": ["shop.example"]}
        self.write(f"/srv/shop/numbered/v{number}/policy.json", json.dumps(policy))
        variables = {"VERSION": str(number), "HOSTILE": HOSTILE, "NUAGES_RELEASE": f"/srv/shop/numbered/v{number}", **env}
        placement = replace(self.placement, build=build, number=number, policy=policy, env=variables)
        name = f"v{number}-aaaa"
        web = app_server("own").process(placement)
        spec = self.supervisor.spec(placement, name, (web, *self.supervisor.processes(placement)))
        self.write(f"/srv/shop/run/generations/{name}/spec.json", json.dumps(spec))
        return name

    def go(self, number, **env):
        name = self.bring(number, **env)
        for words in (("start", name), ("prove", name), ("switch", name), ("drain-wait",)):
            self.ask(*words)
        return name

    def running(self):
        listed = self.host.must("systemctl list-units --plain --no-legend 'shop-*@*'")
        return sorted(line.split()[0] for line in listed.splitlines() if line.split()[2] == "active")

    def noted(self, name):
        return self.host.must(f"cat /srv/shop/shared/data/{name}").splitlines()
