"""The deployed stack over nginx and HTTPS against the same parts tuned by hand on the same host, by wrk.

Both are server blocks of one nginx; by hand means: nginx and unit of bench/peers, two Granian workers of four threads behind
one unix socket, connections to PostgreSQL kept, the same compressed static files.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import jinja2
from measuring import FailedError, Figure, timed
from server_costs import Meter
from server_place import Place
from server_ways import NUAGES, PEERS, declared, make_tls, on_disk
from sites import environment
from throughput import ENCODING, measured_project

from nuages.lab import LabHost


SECONDS, CONNECTIONS = 4, 16
OURS, HAND = "library", "hand"
PATHS = (
    ("hello", "/", "dynamic"),
    ("rows of a table", "/rows", "dynamic"),
    ("5 KB of CSS, compressed", "small.css", "static"),
    ("200 KB image", "large.jpg", "static"),
)


@dataclass(frozen=True)
class Load:
    """Requests per second; seconds within which 99 of 100 were answered; requests per second of the host's processors."""

    rate: float
    p99: float
    per_cpu: float


def stack(place: Place, rounds: int, count: int) -> Iterator[Figure]:
    if shutil.which("wrk") is None:
        raise FailedError("wrk is not here: apt install wrk")
    (host,) = place.hosts("s", 1)
    folder = place.folder / "stack"
    project = measured_project(folder / OURS)
    (project / "nuages.toml").write_text(declared([host]))
    env = environment(XDG_DATA_HOME=str(folder / "data"), NO_COLOR="1")
    timed((NUAGES, "-C", str(project), "deploy"), cwd=folder, env=env)
    by_hand(host, project, folder)
    meter = Meter("stack", [host])
    try:
        for name, path, kind in PATHS:
            url = path if kind == "dynamic" else f"/static/{static_name(host, path)}"
            both = [lambda site=site, url=url: load(host, f"{site}.example", url, folder, meter) for site in (OURS, HAND)]
            loads = [in_turn(both, number) for number in range(rounds + 1)][1:]
            yield Figure(f"{kind}: {name}", "requests/s", tuple((a.rate, b.rate) for a, b in loads), 0.95, "more")
            yield Figure(
                f"{kind}: {name}", "requests per s of the host's CPU", tuple((a.per_cpu, b.per_cpu) for a, b in loads), 0, "more"
            )
            yield Figure(f"{kind}: {name}", "p99, ms", tuple((a.p99 * 1e3, b.p99 * 1e3) for a, b in loads), 1 / 0.95)
    finally:
        place.lab.down(host.name)
        meter.close()


def in_turn(both: list[Callable[[], Load]], number: int) -> tuple[Load, Load]:
    """Each goes first every other round."""
    if number % 2:
        theirs = both[1]()
        return both[0](), theirs
    return both[0](), both[1]()


def static_name(host: LabHost, name: str) -> str:
    """Under its hashed name, the same on both sides."""
    stem, _dot, suffix = name.partition(".")
    (found,) = Path(on_disk(host, f"/srv/{OURS}/shared/static")).glob(f"{stem}.????????????.{suffix}")
    return found.name


def by_hand(host: LabHost, project: Path, folder: Path) -> None:
    """Its own account, database, unit and server block, the packages of our release, our static files as they lie there."""
    home = Path(on_disk(host, f"/srv/{HAND}"))
    here = home / "releases" / "one"
    shutil.copytree(project, here)
    shutil.copy(PEERS / "templates" / "production_wsgi.py", here)
    settings = (PEERS / "templates" / "production.py").read_text().replace("library.settings", "plain.settings")
    kept = settings.partition("CACHES = ")[0] + settings[settings.index("LOGGING = ") :]
    (here / "production.py").write_text(kept)
    shutil.copytree(make_tls(folder / "tls", f"{HAND}.example"), on_disk(host, f"/etc/ssl/{HAND}"))
    values = {"site": HAND, "domain": f"{HAND}.example", "secret_key": "k" * 60}
    for name, path in (
        ("env.j2", f"/etc/{HAND}.env"),
        ("web@.service.j2", f"/etc/systemd/system/{HAND}@.service"),
        ("switch.sh.j2", f"/usr/local/sbin/{HAND}-switch"),
        ("nginx-site.conf.j2", f"/etc/nginx/sites-enabled/{HAND}.conf"),
    ):
        text = jinja2.Template((PEERS / "templates" / name).read_text(), keep_trailing_newline=True).render(values)
        Path(on_disk(host, path)).write_text(text)
    host.must(SETUP.replace("SITE", HAND).replace("OURS", OURS), timeout=300)


SETUP = """set -e
apt-get install -qq -y curl > /dev/null
useradd --system --home-dir /srv/SITE --shell /usr/sbin/nologin SITE
runuser -u postgres -- createuser SITE
runuser -u postgres -- createdb --owner SITE SITE
mkdir -p /srv/SITE/shared/media
cp -a /srv/OURS/shared/static /srv/SITE/shared/static
cp -a "$(ls -d /srv/OURS/venvs/*/ | tail -1)" /srv/SITE/releases/one/venv
sed -i '1s,^#!.*,#!/srv/SITE/releases/one/venv/bin/python,' /srv/SITE/releases/one/venv/bin/granian
chown -R root:SITE /srv/SITE/releases && chmod -R g+rX /srv/SITE/releases && chown SITE /srv/SITE/shared/media
chmod 0600 /etc/ssl/SITE/privkey.pem && chmod 0755 /usr/local/sbin/SITE-switch
cd /srv/SITE/releases/one
env $(cat /etc/SITE.env) runuser -u SITE -- venv/bin/python manage.py migrate -v0
systemctl daemon-reload
/usr/local/sbin/SITE-switch one
nginx -t -q && systemctl reload nginx
"""


def load(host: LabHost, name: str, path: str, folder: Path, meter: Meter) -> Load:
    """wrk takes the name of SNI from its URL: it gets a hosts file of its own, in a mount namespace of its own."""
    hosts = folder / "hosts"
    hosts.write_text(f"{host.address} {name}\n")
    wrk = ("wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "--latency", "-H", ENCODING, f"https://{name}{path}")
    inside = ("unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"', str(hosts), *wrk)
    before = meter.host_seconds()
    said = subprocess.run(inside, capture_output=True, text=True, check=True).stdout
    used = meter.host_seconds() - before
    rate, p99 = re.search(r"Requests/sec:\s+([\d.]+)", said), re.search(r"99%\s+([\d.]+)(us|ms|s)", said)
    # nginx ends a connection after 1000 requests, which wrk counts as an error of reading; all else must be 0.
    failed = "Non-2xx" in said or re.search(r"Socket errors: (?!connect 0, read \d+, write 0, timeout 0)", said)
    if failed or not rate or not p99:
        raise FailedError(f"{name}{path}: {said}")
    count = re.search(r"(\d+) requests in", said)
    assert count
    return Load(float(rate[1]), float(p99[1]) * {"us": 1e-6, "ms": 1e-3, "s": 1}[p99[2]], int(count[1]) / used)
