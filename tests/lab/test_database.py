"""PostgreSQL, Valkey and memcached on a real Debian 13 (12 too with NUAGES_FULL=1), asked by Django as the site's own user."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from described import GIB, shop_placement
from server import Server

from nuages.components.registry import cache, database
from nuages.environments.uv import uv_path
from nuages.hosts.command import Command
from nuages.lab import machine
from nuages.migrations.snapshot import keep, put_back


RUNTIME = Path(__file__).parents[2] / "src" / "nuages" / "runtime"
IMAGES = ("13", "12") if os.environ.get("NUAGES_FULL") else ("13",)
QUEUED = {"tasks": {"celery": {"app": "shop", "broker": ""}}}
SETTINGS = """
import os
from nuages_runtime import overlay
DEBUG, SECRET_KEY, ROOT_URLCONF = False, "only-for-a-test", ""
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "django.contrib.sessions"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"}}
POLICY = {"site": "shop", "project": "/opt/try", "manage_dir": "/opt/try", "data_dir": "/opt/try", "workers": 2, "interface": "wsgi"}
globals().update(overlay.apply({k: v for k, v in list(globals().items()) if k.isupper() and k != "POLICY"}, POLICY, os.environ).values)
print("projects print while they start")
"""
# What a page does: rows, a cached piece, a session.
PAGE = """
import django; django.setup()
from nuages_runtime import patient; patient.install()  # as the front of every web process does
from django.core.cache import cache
from django.contrib.auth.models import User
from django.contrib.sessions.backends.cached_db import SessionStore
seen = cache.get("piece")
cache.set("piece", "kept", 60)
session = SessionStore(); session["cart"] = 1; session.save()
print("users", User.objects.count(), "piece", cache.get("piece"), "before", seen, "cart", SessionStore(session.session_key)["cart"])
"""


def run(host, command, user, *, must=True):
    """A command of a description, as the agent runs it."""
    words = command.argv if user == "root" else ("runuser", "-u", user, "--", *command.argv)
    result = host.run(f"cd {shlex.quote(command.cwd or '/')} && {shlex.join(words)}", timeout=command.timeout)
    assert result.ok or not must, f"{command}: {result.tail()}"
    return result


class Shop:
    """The site on its host, with an environment of its own in /opt/try."""

    def __init__(self, host, image):
        self.host, self.placement = host, shop_placement(f"debian-{image}", facts=QUEUED)
        self.server, self.system = Server(host), f"debian-{image}"
        self.database = database("postgresql").describe(self.placement)
        self.cache = cache("auto", self.placement.machine).describe(self.placement)
        self.exports = {name: value for d in self.described for name, value in d.exports.items()}

    @property
    def described(self):
        return (*self.database, *self.cache)

    def make_ready(self):
        self.server.carry_out(self.server.compare(self.described).steps)

    def django(self, *words, user="shop"):
        variables = (f"{name}={value}" for name, value in self.exports.items())
        python = ("/usr/bin/python3", *words)
        env = ("PYTHONPATH=/opt/try:/opt/try/site", "DJANGO_SETTINGS_MODULE=settings", *variables)
        return Command(("env", *env, *python), cwd="/opt/try", timeout=60).with_(user=user)

    def ask(self, *words, user="shop"):
        return run(self.host, self.django(*words), user).stdout

    def page(self):
        return self.ask("-c", PAGE).splitlines()[-1]

    def restarts(self, unit):
        """Kill what the unit runs; it is back when this returns."""
        self.host.must(f"kill -9 $(systemctl show -p MainPID --value {unit})")
        self.host.must(f"for i in $(seq 50); do systemctl is-active -q {unit} && exit 0; sleep 0.1; done; exit 1")


def install_packages(folder, python):
    """From out here, as a release is made: for the host's Python, without a resolver or a compiler on the host."""
    asked = ("--target", str(folder), "--python-version", python, "--only-binary", ":all:", "-q")
    subprocess.run(
        (uv_path(), "pip", "install", *asked, "django<5.3", "psycopg[binary]", "redis", "pymemcache"), check=True, timeout=300
    )


@pytest.fixture(scope="module", params=IMAGES)
def shop(lab, request):
    (host,) = lab.up(f"db-{request.param}", image=request.param)
    shop = Shop(host, request.param)
    host.must("for name in shop blog; do useradd --system --user-group --no-create-home $name; done")
    shop.make_ready()
    folder = Path(machine.place(host.lab, host.record, "root", "opt/try"))
    folder.mkdir(parents=True)
    shutil.copytree(RUNTIME, folder / "nuages_runtime")
    (folder / "settings.py").write_text(SETTINGS)
    install_packages(folder / "site", "3.13" if request.param == "13" else "3.11")
    shop.ask("-m", "django", "migrate", "--verbosity=0")
    yield shop
    lab.down(host.name)


def test_django_reaches_database_and_cache_as_the_sites_user_without_a_password(shop):
    assert shop.page() == "users 0 piece kept before None cart 1"
    assert shop.page() == "users 0 piece kept before kept cart 1"


def test_nothing_listens_but_sshd(shop):
    ports = {line.split()[4].rpartition(":")[2] for line in shop.host.must("ss -Hltun").splitlines()}
    assert ports == {"22"}


def test_another_site_reaches_neither_database_nor_cache(shop):
    for action in database("postgresql").describe(shop_placement(name="blog"))[2].actions:
        run(shop.host, action.command, action.user)
    said = shop.host.run("runuser -u blog -- psql -X -d shop -c 'select 1'").stderr
    assert "permission denied for database" in said
    assert shop.host.run("runuser -u blog -- psql -X -d shop -U shop -c 'select 1'").stderr.count("Peer authentication failed")
    reach = "import socket; socket.socket(socket.AF_UNIX).connect('/run/shop-cache/cache.sock')"
    assert "PermissionError" in shop.host.run("runuser", "-u", "blog", "--", "python3", "-c", reach).stderr


def test_a_cache_that_is_gone_slows_no_page_and_loses_no_session(shop):
    shop.host.must("systemctl stop shop-cache")
    assert shop.page() == "users 0 piece None before None cart 1"
    shop.host.must("systemctl start shop-cache")
    assert shop.page() == "users 0 piece kept before None cart 1"


def test_what_is_killed_comes_back_and_a_queue_has_lost_nothing(shop):
    put = "import os, redis; r = redis.from_url(os.environ['REDIS_URL'])"
    shop.ask("-c", f"{put}; r.lpush('tasks', 'one')")
    shop.host.must("sleep 1.2")  # on disk within a second
    shop.restarts("shop-queue")
    shop.restarts("shop-cache")
    shop.restarts(shop.database[1].units[0].name)
    assert shop.ask("-c", f"{put}; print(r.lrange('tasks', 0, -1))").strip() == "[b'one']"
    assert shop.page().startswith("users 0 piece kept")


PATIENT = """
import time, django; django.setup()
from django.db import connection
from nuages_runtime import patient
patient.install()
patient.logger.warning = lambda *words: globals().update(waited=1)
until, waited = time.monotonic() + 30, 0
while time.monotonic() < until and not waited:
    begun = time.monotonic()
    connection.ensure_connection()
    connection.close()
    open("/tmp/asking", "w").close()
    time.sleep(0.02)
print("waited", round(time.monotonic() - begun, 2) if waited else "for nothing")
"""


def test_a_restart_of_postgresql_keeps_pages_waiting_and_fails_none(shop):
    """As an update of its package does it, while pages connect 50 times a second."""
    unit = shop.database[1].units[0].name
    wait = f"until [ -e /tmp/asking ]; do sleep 0.1; done; systemctl restart {unit}"
    shop.host.must("systemd-run", "sh", "-c", wait)
    assert 0.1 < float(shop.ask("-c", PATIENT).split()[-1]) < 8
    shop.host.must(f"systemctl start {unit}")  # returns once the restart is through


def test_units_are_closed_in(shop):
    for unit in ("shop-cache", "shop-queue"):
        verdict = shop.host.must(f"systemd-analyze security {unit}").splitlines()[-1]
        assert float(verdict.split()[-3]) < 2, verdict


def test_what_lies_there_is_not_made_again(shop):
    again = shop.server.compare(shop.described)
    assert (again.steps, again.drift, again.consent, again.conflicts) == ((), (), (), ())


def test_settings_for_another_machine_are_told_with_what_they_interrupt(shop):
    grown = shop_placement(shop.system, memory=24 * GIB, cores=8)
    steps = shop.server.compare((*database("postgresql").describe(grown), *shop.cache)).steps
    (restart,) = [step for step in steps if step.symbol == "!"]
    assert restart.why == "interrupts all sites of this host for a second or two"


def test_settings_that_postgresql_cannot_read_are_found_before_it_is_told(shop):
    version = shop.host.must("ls /etc/postgresql").strip()
    wrong = f"/etc/postgresql/{version}/main/conf.d/zz-wrong.conf"
    shop.host.must(f"echo 'work_mem = plenty' > {wrong}")
    verdict = run(shop.host, shop.database[1].verify, "root", must=False)
    shop.host.must(f"rm {wrong}")
    assert not verdict.ok
    assert "work_mem" in verdict.stderr


def test_a_snapshot_is_kept_where_the_sites_user_may_not_look_and_comes_back(shop):
    shop.host.must("install -d -m 0700 /srv/shop/snapshots")
    kept = "/srv/shop/snapshots/v1-before-default.dump"
    make = "import django; django.setup(); from django.contrib.auth.models import User; "
    run(shop.host, keep(shop.django("-m", "nuages_runtime.dump", "--to", "-"), kept), "root")
    shop.ask("-c", make + "User.objects.create(username='later')")
    run(shop.host, put_back(shop.django("-m", "nuages_runtime.dump", "--restore", "-"), kept), "root")
    assert shop.host.must(f"stat -c '%a %U' {kept}").strip() == "600 root"
    assert shop.page().startswith("users 0 ")


def test_memcached_takes_its_place_and_may_go_as_well(shop):
    shop.cache = cache("memcached", shop.placement.machine).describe(shop.placement)
    shop.make_ready()
    shop.exports.update(shop.cache[0].exports)
    shop.page()
    assert shop.page() == "users 0 piece kept before kept cart 1"
    shop.host.must("systemctl stop shop-cache")
    assert shop.page() == "users 0 piece None before None cart 1"


def test_a_database_of_somebody_else_stops_the_plan_and_stays(shop):
    shop.host.must("runuser -u postgres -- createdb wiki")
    wiki = shop_placement(name="wiki")
    (conflict,) = database("postgresql").describe(wiki)[2].conflicts
    assert run(shop.host, conflict.found, conflict.user).ok
    assert not run(shop.host, shop.database[2].conflicts[0].found, "postgres", must=False).ok, "ours is none"


def test_destroy_leaves_the_data_and_the_second_time_nothing(shop):
    shop.server.leave(data=False)
    assert not shop.host.run("systemctl is-active shop-cache").ok
    assert "shop" in shop.host.must("runuser -u postgres -- psql -XAtc 'select datname from pg_database'").split()
    shop.server.leave(data=True)
    assert not shop.host.run("systemctl is-active postgresql").ok
    assert not shop.host.must("ls /var/lib/private").strip()
