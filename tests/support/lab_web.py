"""The web side of a lab host by itself: nginx and certificates as described, with a stand-in for the site on its socket."""

from __future__ import annotations

import json
import time

from carry_out import carry_out

from nuages.components.certificates.seen import PROGRAM, understand
from nuages.components.web import decide, describe_web, web_question
from nuages.testing import LAYOUT, shop_placement
from nuages.topology.model import Host


FACTS = {
    "static": {"url": "/static/"},
    "media": {"url": "/media/", "own_view": False},
    "urls": {"favicon": False, "robots": False},
    "middleware": [],
}
# /slow answers after 2 s; everything is answered with the number of bytes that came and what the proxy said.
SITE = """
import http.server, json, os, socket, socketserver, time
class Site(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path == "/slow": time.sleep(2)
        said = json.dumps({"bytes": len(data), "headers": {k.lower(): v for k, v in self.headers.items()}}).encode()
        self.send_response(200); self.send_header("Content-Length", str(len(said))); self.end_headers(); self.wfile.write(said)
    do_POST = do_GET
    def address_string(self): return "proxy"
    def log_message(self, *words): pass
class Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads, request_queue_size = True, 1024
path = "/srv/shop/run/web.sock"
if os.path.lexists(path): os.unlink(path)
os.umask(0)
Server(path, Site).serve_forever()
"""


class Web:
    """`look` asks the host, `settle` carries out what follows of it, and says what was decided."""

    def __init__(self, host, image="13", **declared):
        self.host, self.image = host, image
        self.declare(**declared)

    def declare(self, **declared):
        at = Host(self.host.name, self.host.address)
        self.placement = shop_placement(
            os_version=self.image, host=at, hosts=(at,), facts=FACTS, layout=LAYOUT, **{"domains": ("shop.example",), **declared}
        )

    def look(self):
        question = web_question(self.placement.topology, LAYOUT, self.placement.host)
        question.pop("kind")
        program = PROGRAM.read_text()
        return understand(json.loads(self.host.must("python3", "-I", "-S", "-c", program, "look", json.dumps(question))))

    def decide(self):
        return decide(self.placement.topology, self.placement.host, self.look())

    def settle(self, given=None):
        decision = self.decide()
        carry_out(self.host, *describe_web(self.placement, decision, given))
        return decision

    def serve(self):
        """Folders as the release's layout has them, and the stand-in."""
        host = self.host
        host.must("install -d -m 0751 /srv/shop /srv/shop/shared /srv/shop/run /srv/shop/logs")
        host.must("install -d -m 0755 /srv/shop/shared/static && install -d -m 2750 -g www-data /srv/shop/shared/media")
        host.must("sh", "-c", "cat > /opt/site.py", stdin=SITE)
        host.must("systemd-run -q --unit=stand-in python3 /opt/site.py")
        host.must("for i in $(seq 100); do test -S /srv/shop/run/web.sock && exit 0; sleep 0.05; done; exit 1")

    def get(self, url, *options):
        """(status, text), asked from inside, with the site's name leading to this host."""
        names = ("--resolve", f"shop.example:443:{self.host.address}", "--resolve", f"shop.example:80:{self.host.address}")
        done = self.host.run("curl", "-s", "-o", "-", "-w", "\\n%{http_code}", "--max-time", "10", *names, *options, url)
        text, _, status = done.stdout.rpartition("\n")
        return int(status), text

    def headers(self, url, *options):
        return json.loads(self.get(url, *options)[1])["headers"]


class Authority:
    """pebble, with a DNS of its own that says what it is told: on the host itself."""

    URL = "https://localhost:14000/dir"

    def __init__(self, host):
        self.host = host

    def start(self):
        must = self.host.must
        must(
            "mkdir -p /opt/pebble && cd /opt/pebble && "
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 9 -subj /CN=localhost "
            "-addext subjectAltName=DNS:localhost -addext basicConstraints=critical,CA:TRUE -keyout key.pem -out cert.pem 2>/dev/null"
        )
        config = {
            "listenAddress": "0.0.0.0:14000", "managementListenAddress": "0.0.0.0:15000",
            "certificate": "/opt/pebble/cert.pem", "privateKey": "/opt/pebble/key.pem", "httpPort": 80, "tlsPort": 443,
            "ocspResponderURL": "", "externalAccountBindingRequired": False,
        }  # fmt: skip
        must("sh", "-c", "cat > /opt/pebble/pebble.json", stdin=json.dumps({"pebble": config}))
        must(
            "systemd-run -q --unit=dns pebble-challtestsrv -dns01 127.0.0.1:53 -http01 '' -https01 '' -tlsalpn01 '' -defaultIPv6 ''"
        )
        must("cp /etc/resolv.conf /opt/resolv.conf; rm -f /etc/resolv.conf; echo nameserver 127.0.0.1 > /etc/resolv.conf")
        self.answer()

    def answer(self):
        """Issue from now on."""
        self.host.must(
            "systemctl is-active -q pebble || systemd-run -q --unit=pebble --setenv=PEBBLE_VA_NOSLEEP=1 --setenv=PEBBLE_WFE_NONCEREJECT=0 "
            "pebble -config /opt/pebble/pebble.json -dnsserver 127.0.0.1:53"
        )
        self.host.must(
            "for i in $(seq 100); do curl -sk https://localhost:14000/dir >/dev/null && exit 0; sleep 0.1; done; exit 1"
        )

    def fall_silent(self):
        self.host.must("systemctl stop pebble; systemctl reset-failed pebble 2>/dev/null; true")

    def point(self, name, address):
        """The DNS answers `name` with `address` from now on; "" with nothing."""
        add = f"curl -sf -d '{json.dumps({'host': name, 'addresses': [address]})}' http://localhost:8055/add-a"
        clear = f"curl -sf -d '{json.dumps({'host': name})}' http://localhost:8055/clear-a"
        self.host.must(
            'curl -sf -d \'{"ip":""}\' http://localhost:8055/set-default-ipv4; curl -sf -d \'{"ip":""}\' http://localhost:8055/set-default-ipv6'
        )
        self.host.must(f"{clear} && {add}" if address else clear)

    @property
    def ca(self):
        return self.host.must("cat /opt/pebble/cert.pem")

    def root(self):
        """What browsers would trust, which pebble makes anew at each start."""
        text = self.host.must("curl -sk https://localhost:15000/roots/0")
        self.host.must("sh", "-c", "cat > /opt/pebble/root.pem", stdin=text)
        return text


def wait_until(what, seconds=20):
    ends = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < ends, "did not come true"
        time.sleep(0.1)
