"""A build on its way to a host: which files travel, and how they lie there."""

import json
import os
from pathlib import Path

import pytest
from near_host import NearHost

from nuages.release.build import Build, load_build
from nuages.release.layout import Layout, sweep_op
from nuages.release.shipping import read_contents, ship_build


PYTHON = "/usr/bin/python3"


def silent(_line):
    pass


def make_build(store, id_="b1", environment="/srv/shop/venvs/e1", **files):
    """A build with a module, a script, a link, an empty folder, static files and what must stay."""
    path = Layout(store).build(id_)
    likely = {
        "source/shop/settings.py": "DEBUG = True\n",
        "source/manage.py": "#!/usr/bin/env python3\n",
        "source/.env": "SECRET_KEY=never\n",
        "source/db.sqlite3": "never",
        "runtime/nuages_runtime/hook.py": "",
        "runtime/nuages_runtime/__pycache__/hook.cpython-313.pyc": "compiled",
        "static/app.1234.js": "static",
        "static/strange.env": "a static file of this name is one",
    }
    for name, text in {**likely, **files}.items():
        place = path / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    (path / "source" / "manage.py").chmod(0o775)
    (path / "source" / "var").symlink_to("/srv/shop/shared/files/var")
    (path / "source" / "empty").mkdir()
    manifest = {"build": id_, "environment": environment, "commit": "c1", "writable": ["var"]}
    (path / "manifest.json").write_text(json.dumps(manifest))
    return Build(id_, path, manifest)


@pytest.fixture
def site(tmp_path):
    return Layout(tmp_path / "site")


def test_a_build_arrives_as_it_is_with_its_modes_and_links(tmp_path, site):
    there = ship_build(make_build(tmp_path / "store"), NearHost(), site, silent)
    assert there.path == site.build("b1")
    assert (there.path / "source/shop/settings.py").read_text() == "DEBUG = True\n"
    assert oct((there.path / "source/manage.py").stat().st_mode)[-3:] == "755"
    assert oct((there.path / "source/shop/settings.py").stat().st_mode)[-3:] == "644"
    assert os.readlink(there.path / "source/var") == "/srv/shop/shared/files/var"
    assert (there.path / "source/empty").is_dir()
    assert json.loads((there.path / "manifest.json").read_text()) == there.manifest


def test_no_env_file_and_no_database_travels(tmp_path, site):
    host = NearHost()
    there = ship_build(make_build(tmp_path / "store"), host, site, silent)
    assert not (there.path / "source/.env").exists()
    assert not (there.path / "source/db.sqlite3").exists()
    assert (there.path / "static/strange.env").exists()
    assert b"never" not in b"".join(p.read_bytes() for p in (site / "store").rglob("*") if p.is_file())


def test_a_build_that_is_there_costs_one_read(tmp_path, site):
    host, build = NearHost(), make_build(tmp_path / "store")
    first = ship_build(build, host, site, silent)
    trips, sent = host.trips, len(host.shipped)
    assert ship_build(build, host, site, silent) == first
    assert (host.trips - trips, len(host.shipped) - sent) == (1, 0)


def test_only_what_changed_travels_and_the_rest_is_shared(tmp_path, site):
    host = NearHost()
    first = ship_build(make_build(tmp_path / "store"), host, site, silent)
    host.shipped.clear()
    changed = make_build(tmp_path / "store", "b2", **{"source/shop/settings.py": "DEBUG = False\n"})
    second = ship_build(changed, host, site, silent)
    assert len(host.shipped) == 3  # the file, the manifest, the list of files
    assert (second.path / "static/app.1234.js").samefile(first.path / "static/app.1234.js")
    assert (second.path / "source/shop/settings.py").read_text() == "DEBUG = False\n"


def test_an_interrupted_transfer_leaves_no_release_and_goes_on_where_it_was(tmp_path, site):
    build, broken = make_build(tmp_path / "store"), NearHost(breaks_after=3)
    with pytest.raises(ConnectionError):
        ship_build(build, broken, site, silent)
    assert not site.build("b1").exists()
    host = NearHost()
    ship_build(build, host, site, silent)
    assert not set(broken.shipped) & set(host.shipped)


def test_the_same_build_for_another_environment_says_so_without_travelling(tmp_path, site):
    host = NearHost()
    ship_build(make_build(tmp_path / "store"), host, site, silent)
    host.shipped.clear()
    moved = make_build(tmp_path / "store2", environment="/srv/shop/venvs/e2")
    assert ship_build(moved, host, site, silent).manifest["environment"] == "/srv/shop/venvs/e2"
    assert host.shipped == []
    assert load_build(site, "b1").manifest["environment"] == "/srv/shop/venvs/e2"


def test_the_host_compiles_what_this_machines_python_could_not(tmp_path, site):
    environment = tmp_path / "venv"
    (environment / "bin").mkdir(parents=True)
    (environment / "bin" / "python").symlink_to(PYTHON)
    build = make_build(tmp_path / "store", environment=str(environment), **{"source/broken.py": "def ("})
    next(build.path.rglob("*.pyc")).unlink()
    there = ship_build(build, NearHost(), site, silent)
    assert len(list(there.path.glob("source/**/*.pyc"))) == 2  # settings, manage; not what does not compile


def test_pieces_of_removed_builds_are_swept(tmp_path, site):
    host = NearHost()
    kept = ship_build(make_build(tmp_path / "store"), host, site, silent)
    gone = ship_build(make_build(tmp_path / "store", "b2", **{"static/old.js": "old"}), host, site, silent)
    step = {"text": "- old", "ops": [{"op": "remove", "paths": [str(gone.path)]}, sweep_op(site, spare=0)]}
    host.write([step], str(site.journal), lambda _event: None)
    left = [p.read_text() for p in (site / "store").rglob("*") if p.is_file()]
    assert "old" not in left
    assert "static" in left
    assert (kept.path / "static/app.1234.js").read_text() == "static"


def test_pieces_that_a_colleague_is_sending_are_spared(tmp_path, site):
    host = NearHost(breaks_after=3)
    with pytest.raises(ConnectionError):
        ship_build(make_build(tmp_path / "store"), host, site, silent)
    host.write([{"text": "- old", "ops": [sweep_op(site)]}], str(site.journal), lambda _event: None)
    assert sum(p.is_file() for p in (site / "store").rglob("*")) == 3


def test_the_same_content_is_one_piece(tmp_path):
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text("same")
    contents = read_contents(tmp_path)
    assert (len(contents.entries), len(contents.pieces)) == (2, 1)
    assert next(iter(contents.pieces.values())).parent == Path(tmp_path)
