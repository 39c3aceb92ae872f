"""The files of a lock on this machine, and the environment made of them on a host."""

import base64
import json
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from near_host import NearHost
from wheels import make_source, make_wheel, sha256

from nuages.environments.fetching import credentials, fetch
from nuages.environments.model import Lock, Pin, Python, Target
from nuages.environments.pieces import gather
from nuages.environments.placing import MARKER, place_environment
from nuages.environments.sources import read_build_system
from nuages.errors import EnvironmentBuildError
from nuages.secret import Secret


PYTHON = getattr(sys, "_base_executable", sys.executable)
HERE = Target(platform.python_version(), os.path.realpath(PYTHON), "x86_64", "glibc 2.17", "Debian 13")


def silent(_line):
    pass


def lock_of(*paths):
    """As target_lock makes it, of files in a folder."""
    names = [(path.name.split("-")[0], path) for path in paths]
    pins = tuple(Pin(name, "1.0", path.as_uri(), sha256(path), path.stat().st_size) for name, path in names)
    text = "".join(f"{pin.name}==1.0 --hash=sha256:{pin.sha256}\n" for pin in pins)
    python = Python(HERE.python, HERE.path, platform="x86_64-manylinux_2_17")
    return Lock(text, "", "resolved", python, {pin.name: "1.0" for pin in pins}, pins=pins)


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


def place(host, lock, cache, site, said=silent, target=HERE):
    pieces = gather(host, lock, target, silent, cache)
    return place_environment(host, host, lock, pieces, target, site / "venvs", site / "store", "", said)


def run(environment, *code):
    return subprocess.run([environment.executable, "-c", *code], capture_output=True, text=True, check=True).stdout.strip()


# --- fetching ------------------------------------------------------------------------------------------------


def test_a_second_host_gets_its_wheels_from_the_cache(tmp_path, cache):
    wheel = make_wheel(tmp_path, "alpha")
    lock = lock_of(wheel)
    first = gather(NearHost(), lock, HERE, silent, cache)
    wheel.unlink()
    assert gather(NearHost(), lock, HERE, silent, cache) == first
    assert (first[0].sha256, first[0].file) == (first[0].path.name, "alpha-1.0-py3-none-any.whl")


def test_a_file_with_another_digest_is_refused_and_not_kept(tmp_path, cache):
    wheel = make_wheel(tmp_path, "alpha")
    lock = lock_of(wheel)
    wheel.write_bytes(wheel.read_bytes() + b"more")
    with pytest.raises(EnvironmentBuildError, match="is not the file that the lock names") as refused:
        gather(NearHost(), lock, HERE, silent, cache)
    assert lock.pins[0].sha256 in refused.value.detail
    assert list(cache.iterdir()) == []


def test_a_file_that_is_gone_says_which(tmp_path, cache):
    lock = lock_of(make_wheel(tmp_path, "alpha"))
    (tmp_path / "alpha-1.0-py3-none-any.whl").unlink()
    with pytest.raises(EnvironmentBuildError, match=r"can't fetch alpha-1\.0-py3-none-any\.whl"):
        gather(NearHost(), lock, HERE, silent, cache)


def test_passwords_are_taken_from_the_index_of_the_same_host_and_shown_in_no_error(tmp_path, monkeypatch):
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    (tmp_path / "netrc").write_text("machine other.example login ada password engine\n")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("UV_INDEX", "corp=https://named.example/simple")
    monkeypatch.setenv("UV_INDEX_CORP_USERNAME", "bo")
    monkeypatch.setenv("UV_INDEX_CORP_PASSWORD", "p@ss")
    indexes = {"UV_INDEX": Secret("https://me:s%40cret@pkgs.example/simple")}
    assert credentials("https://pkgs.example/files/a.whl", indexes) == "me:s@cret"
    assert credentials("https://other.example/a.whl", indexes) == "ada:engine"
    assert credentials("https://named.example/a.whl", indexes) == "bo:p@ss"
    assert credentials("https://elsewhere.example/a.whl", indexes) == ""


def test_an_index_of_uvs_own_configuration_gives_its_password_too(tmp_path, monkeypatch):
    monkeypatch.setenv("UV_CONFIG_FILE", str(tmp_path / "uv.toml"))
    (tmp_path / "uv.toml").write_text('[[index]]\nname = "corp"\nurl = "https://ada:engine@corp.example/simple"\n')
    assert credentials("https://corp.example/files/a.whl", {}) == "ada:engine"


class Index(BaseHTTPRequestHandler):
    """An index that gives its one file to ada alone."""

    def do_GET(self):
        known = self.headers["Authorization"] == "Basic " + base64.b64encode(b"ada:engine").decode()
        self.send_response(200 if known else 401)
        self.end_headers()
        self.wfile.write(b"content" if known else b"")

    def log_message(self, *_args):
        pass


def test_a_private_index_is_asked_with_its_password_which_no_error_shows(tmp_path):
    with ThreadingHTTPServer(("127.0.0.1", 0), Index) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        host = f"127.0.0.1:{server.server_port}"
        found = fetch(f"http://{host}/a.whl", "", tmp_path, {"UV_INDEX": Secret(f"http://ada:engine@{host}/simple")})
        with pytest.raises(EnvironmentBuildError, match=r"can't fetch a\.whl") as refused:
            fetch(f"http://bo:guess@{host}/a.whl", "", tmp_path, {})
        server.shutdown()
    assert found.path.read_bytes() == b"content"
    assert "give its name and password" in refused.value.hint
    assert "guess" not in str(refused.value) + refused.value.detail


# --- sources -------------------------------------------------------------------------------------------------


def test_pure_python_that_exists_only_as_source_becomes_a_wheel_once(tmp_path, cache):
    lock = lock_of(make_source(tmp_path, "docopt"))
    said = []
    first = gather(NearHost(), lock, HERE, said.append, cache)
    again = gather(NearHost(), lock, HERE, said.append, cache)
    assert first == again
    assert (first[0].file, first[0].is_wheel) == ("docopt-1.0-py3-none-any.whl", True)
    assert said.count("building docopt, which has no wheel") == 1


def test_what_has_compiled_code_stays_source_for_the_host(tmp_path, cache):
    lock = lock_of(make_source(tmp_path, "netifaces", pure=False))
    piece = gather(NearHost(), lock, HERE, silent, cache)[0]
    assert (piece.is_wheel, piece.backend, piece.backend_path) == (False, "own", (".",))
    assert piece.apt == ("build-essential", "python3-dev")


def test_a_source_without_a_build_system_is_setuptools(tmp_path):
    with tarfile.open(tmp_path / "old-1.0.tar.gz", "w:gz"):
        pass
    told = read_build_system(tmp_path / "old-1.0.tar.gz", "old-1.0.tar.gz")
    assert told["backend"] == "setuptools.build_meta:__legacy__"
    assert "wheel" in told["requires"]


# --- placing -------------------------------------------------------------------------------------------------


@pytest.fixture
def wheels(tmp_path):
    index = tmp_path / "index"
    main = "def main():\n    print('here')\n"
    return (
        make_wheel(index, "alpha", files={"alpha.py": main}, scripts=("alpha = alpha:main",)),
        make_wheel(index, "beta", files={"beta/__init__.py": "", "beta-1.0.data/data/share/beta.txt": "text"}),
    )


def test_an_environment_is_laid_out_with_scripts_data_bytecode_and_the_hook(tmp_path, cache, wheels):
    environment = place(NearHost(), lock_of(*wheels), cache, tmp_path / "site")
    path = Path(environment.path)
    assert subprocess.check_output([path / "bin" / "alpha"], text=True) == "here\n"
    assert (path / "share" / "beta.txt").read_text() == "text"
    assert run(environment, "import alpha, _nuages_hook; print(alpha.main.__code__.co_filename)").startswith(str(path))
    assert run(environment, "import alpha; print(alpha.__cached__)").startswith(str(path))
    assert list(path.glob("lib/python3*/site-packages/__pycache__/alpha.*.pyc"))
    assert oct((path / MARKER).stat().st_mode)[-3:] == "600"
    assert not list(tmp_path.glob("site/venvs/.*.json"))  # the note may hold a url with a password


def test_an_environment_that_is_there_costs_one_read(tmp_path, cache, wheels):
    host, lock = NearHost(), lock_of(*wheels)
    first = place(host, lock, cache, tmp_path / "site")
    sent, trips = len(host.shipped), host.trips
    assert place(host, lock, cache, tmp_path / "site") == first
    assert (len(host.shipped) - sent, host.trips - trips) == (0, 1)


def test_only_wheels_that_the_host_has_not_unpacked_travel(tmp_path, cache, wheels):
    host, site = NearHost(), tmp_path / "site"
    place(host, lock_of(*wheels), cache, site)
    host.shipped.clear()
    gamma = make_wheel(tmp_path / "index", "gamma")
    environment = place(host, lock_of(*wheels, gamma), cache, site)
    assert host.shipped == [sha256(gamma)]
    assert run(environment, "import alpha, beta, gamma; print('all')") == "all"


def test_environments_share_their_files_and_unpacked_wheels_go_with_the_last_of_them(tmp_path, cache, wheels):
    host, site = NearHost(), tmp_path / "site"
    first = Path(place(host, lock_of(*wheels), cache, site).path)
    second = Path(place(host, lock_of(wheels[0]), cache, site).path)
    module = next(first.glob("lib/python3*/site-packages/alpha.py"))
    assert module.samefile(next(second.glob("lib/python3*/site-packages/alpha.py")))
    shutil.rmtree(first)
    place(host, lock_of(wheels[0], make_wheel(tmp_path / "index", "gamma")), cache, site)
    kept = sorted(p.name[:64] for p in (site / "venvs" / ".wheels").iterdir())
    assert sha256(wheels[1]) not in kept
    assert sha256(wheels[0]) in kept


def test_an_interrupted_transfer_goes_on_where_it_was(tmp_path, cache, wheels):
    site = tmp_path / "site"
    broken = NearHost(breaks_after=1)
    with pytest.raises(ConnectionError):
        place(broken, lock_of(*wheels), cache, site)
    host = NearHost()
    place(host, lock_of(*wheels), cache, site)
    assert broken.shipped[0] not in host.shipped
    assert len(host.shipped) == 2  # one wheel, and the program


def test_what_an_interrupted_run_left_is_made_anew(tmp_path, cache, wheels):
    host, lock, site = NearHost(), lock_of(*wheels), tmp_path / "site"
    path = Path(place(host, lock, cache, site).path)
    (path / MARKER).unlink()
    (site / "venvs" / ".wheels" / "left.partial").mkdir()
    next(path.glob("lib/python3*/site-packages/alpha.py")).unlink()
    environment = place(host, lock, cache, site)
    assert run(environment, "import alpha; print('whole')") == "whole"
    assert not (site / "venvs" / ".wheels" / "left.partial").exists()


def test_a_host_whose_python_was_upgraded_meanwhile_says_so(tmp_path, cache, wheels):
    lock = lock_of(*wheels)
    pieces = gather(NearHost(), lock, HERE, silent, cache)
    other, host, site = replace(HERE, python="3.10.1"), NearHost(), tmp_path / "site"
    with pytest.raises(EnvironmentBuildError, match=r"Python here is .*; the packages are for 3\.10\.1"):
        place_environment(host, host, lock, pieces, other, site / "venvs", site / "store", "", silent)


def test_no_code_of_a_wheel_runs_while_it_is_laid_out(tmp_path, cache):
    trap = tmp_path / "ran"
    wheel = make_wheel(tmp_path, "evil", files={"evil.pth": f"import pathlib; pathlib.Path({str(trap)!r}).touch()\n"})
    environment = place(NearHost(), lock_of(wheel), cache, tmp_path / "site")
    assert not trap.exists()
    run(environment, "")
    assert trap.exists()


def test_what_is_placed_is_told_in_the_journal(tmp_path, cache, wheels):
    place(NearHost(), lock_of(*wheels), cache, tmp_path / "site")
    told = [json.loads(line) for line in (tmp_path / "site" / "journal.jsonl").read_text().splitlines()]
    assert [line["state"] for line in told] == ["begin", "done"]
    assert "environment" in told[0]["step"]


# Nobody may go where pytest has its temporary folders, nor into the home of root.
ABOUT = "import platform, sysconfig; print(platform.python_version(), sysconfig.get_path('include') + '/Python.h')"


@pytest.fixture
def system():
    """The system's Python, where it can compile."""
    if os.geteuid() != 0 or not shutil.which("cc") or not Path("/usr/bin/python3").exists():
        pytest.skip("needs root, a C compiler and the system's Python")
    told = subprocess.run(["/usr/bin/python3", "-c", ABOUT], capture_output=True, text=True, check=True)
    version, header = told.stdout.split()
    if not Path(header).exists():
        pytest.skip("needs the headers of the system's Python: apt install python3-dev")
    return replace(HERE, python=version, path="/usr/bin/python3")


@pytest.fixture
def open_site():
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        Path(folder).chmod(0o755)
        (Path(folder) / "site").mkdir()
        yield Path(folder) / "site"


def test_the_code_of_a_source_runs_as_nobody_and_leaves_nothing(tmp_path, cache, open_site, system):
    lock, said = lock_of(make_source(tmp_path, "netifaces", pure=False)), []
    environment = place(NearHost(), lock, cache, open_site, said.append, system)
    assert run(environment, "import netifaces; print(netifaces.BUILT_BY)") == "65534"
    assert "compiling netifaces" in said
    assert list(open_site.parent.iterdir()) == [open_site]


def test_a_source_that_does_not_build_says_what_its_build_said(tmp_path, cache, open_site, system):
    source = make_source(tmp_path, "netifaces", pure=False, fails="error: ifaddrs.h: no such file")
    with pytest.raises(EnvironmentBuildError, match="netifaces does not build on this host") as refused:
        place(NearHost(), lock_of(source), cache, open_site, silent, system)
    assert "ifaddrs.h: no such file" in refused.value.detail
    assert list(open_site.parent.iterdir()) == [open_site]
