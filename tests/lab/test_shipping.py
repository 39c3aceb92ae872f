"""A release on its way to real hosts: one without internet, one that is cut off on the way, one with something to compile."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from near_host import NearHost
from wheels import make_compiled_source

from nuages.environments import find_requirements, python_hints
from nuages.environments.model import Target
from nuages.environments.pieces import gather
from nuages.environments.placing import place_environment
from nuages.environments.target import target_lock
from nuages.errors import CommandError, EnvironmentBuildError
from nuages.hosts.ssh import SshTransport
from nuages.release.build import Build
from nuages.release.layout import Layout
from nuages.release.shipping import ship_build
from nuages.topology.model import Host


IMAGES = ("13", "12") if os.environ.get("NUAGES_FULL") else ("13",)
SITE = Layout(Path("/srv/shop"))
HERE = NearHost()


class Server:
    """A lab host with the account and the folders of a site, and the way to it."""

    def __init__(self, host):
        self.host = host
        self.ssh = SshTransport(Host(host.name, ssh_config=host.ssh_config), accept_new=True)
        told = self.ssh.read({"host": {"kind": "host"}})["host"]
        self.target = Target(told["python"], told["python_path"], told["arch"], told["libc"], "Debian")
        host.must("useradd --system --shell /usr/sbin/nologin shop && useradd --system --shell /usr/sbin/nologin other")
        host.must("install -d -m 0751 /srv/shop && install -d -m 0750 -g shop /srv/shop/venvs /srv/shop/releases")

    def lock(self, root, keep, stack=()):
        requirements = find_requirements(root, SimpleNamespace(requirements=(), extras=()))
        return target_lock(HERE, root, requirements, python_hints(root), "", stack, self.target, keep, print)

    def place(self, lock, cache, said=print):
        pieces = gather(HERE, lock, self.target, said, cache)
        return place_environment(HERE, self.ssh, lock, pieces, self.target, SITE.venvs, SITE / "store", "shop", said, cores=2)

    def as_user(self, user, *argv):
        return self.host.run("runuser", "-u", user, "--", *argv)


@pytest.fixture(scope="module", params=IMAGES)
def server(lab, request):
    (host,) = lab.up(f"ship-{request.param}", image=request.param)
    yield Server(host)
    lab.down(host.name)


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    root = tmp_path_factory.mktemp("shop")
    (root / "requirements.txt").write_text("django==5.2.8\npsycopg[binary]\n")
    return root


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


# The tests of this file are one story, in this order.


def test_a_host_without_internet_gets_its_environment_which_only_the_site_may_read(server, shop, cache, tmp_path):
    server.host.must("ip route del default")
    lock = server.lock(shop, tmp_path / "keep", ("granian>=2",))

    environment = server.place(lock, cache)

    python = environment.executable
    assert server.as_user("shop", python, "-c", "import django, psycopg, granian; print('fine')").stdout == "fine\n"
    assert server.as_user("shop", f"{environment.path}/bin/granian", "--version").stdout.startswith("granian")
    assert server.as_user("other", python, "-c", "").status != 0
    assert server.as_user("shop", "test", "-w", f"{environment.path}/lib").status != 0
    writable = server.host.must(f"find {environment.path} '(' -perm -o+w -or -not -uid 0 ')' -not -type l")
    assert writable == ""
    assert server.host.run("command -v pip; command -v gcc; command -v uv").stdout == ""


def test_a_second_deploy_sends_nothing(server, shop, cache, tmp_path):
    said = []
    server.place(server.lock(shop, tmp_path / "keep", ("granian>=2",)), cache, said.append)
    assert not [line for line in said if line.startswith(("sending", "unpacking", "downloading"))]


def test_a_connection_that_breaks_on_the_way_loses_nothing_that_arrived(server, tmp_path):
    build = _build(tmp_path, pieces=40)

    def breaks(line):
        if "sending" in line and " 0.0 of" not in line:
            raise ConnectionError(line)

    with pytest.raises((ConnectionError, CommandError)):
        ship_build(build, server.ssh, SITE, breaks)
    assert server.host.run("test", "-e", str(SITE.build("b1"))).status != 0
    arrived = int(server.host.must(f"find {SITE.dir}/store -size +100k | wc -l"))
    assert 0 < arrived < 40

    said = []
    there = ship_build(build, server.ssh, SITE, said.append, account="shop")

    assert said[-1].endswith(f"{(40 - arrived) * 0.2:.1f} MB")
    assert server.as_user("shop", "cat", f"{there.path}/source/shop.py").stdout == "ANSWER = 42\n"
    assert server.as_user("other", "cat", f"{there.path}/source/shop.py").status != 0
    assert server.as_user("shop", "touch", f"{there.path}/source/shop.py").status != 0
    assert server.host.must("stat", "-c", "%a", f"{there.path}/source/manage.py").strip() == "755"


def _build(folder, pieces):
    path = Layout(folder).build("b1")
    (path / "source").mkdir(parents=True)
    (path / "source" / "shop.py").write_text("ANSWER = 42\n")
    (path / "source" / "manage.py").touch(mode=0o755)
    for number in range(pieces):
        (path / "source" / f"{number}.bin").write_bytes(os.urandom(200_000))
    (path / "runtime").mkdir()
    (path / "runtime" / "done.pyc").touch()
    return Build("b1", path, {"build": "b1", "environment": "/srv/shop/venvs/none"})


@pytest.mark.skipif(not os.environ.get("NUAGES_FULL"), reason="installs a compiler for a minute: NUAGES_FULL=1")
def test_what_has_no_wheel_is_compiled_in_a_place_that_is_thrown_away(lab, cache, tmp_path, monkeypatch):
    (host,) = lab.up("ship-compile")
    server, index = Server(host), tmp_path / "index"
    make_compiled_source(index, "fastsum")
    monkeypatch.setenv("UV_FIND_LINKS", str(index))
    (tmp_path / "requirements.txt").write_text("django==5.2.8\nfastsum\n")
    lock = server.lock(tmp_path, tmp_path / "keep")
    before, route = host.must("dpkg-query -W"), host.must("ip route show default").strip()

    host.must("ip route del default")
    with pytest.raises(EnvironmentBuildError, match="a compiler could not be installed") as refused:
        server.place(lock, cache)
    assert "sudo apt install build-essential python3-dev" in refused.value.hint
    host.must(f"ip route add {route}")

    environment = server.place(lock, cache)

    python = environment.executable
    assert server.as_user("shop", python, "-c", "import fastsum; print(fastsum.built_by())").stdout == "65534\n"
    assert host.must("dpkg-query -W") == before
    assert host.run("command -v gcc").status != 0
    assert host.run("ls -d /srv/.nuages-build-* && mount | grep nuages-build").stdout == ""
    lab.down(host.name)
