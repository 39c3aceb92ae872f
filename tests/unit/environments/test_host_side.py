"""What a package may not bring into an environment."""

import importlib.util
from pathlib import Path

import pytest


PROGRAM = Path(__file__).parents[3] / "src/nuages/environments/host_side.py"


@pytest.fixture(scope="module")
def host_side():
    spec = importlib.util.spec_from_file_location("host_side", PROGRAM)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("part", ["pyvenv.cfg", "bin/python", "bin/python3", "bin/python3.13"])
def test_another_python_for_root_to_run_is_refused(host_side, tmp_path, part):
    brought = tmp_path / "tree" / part
    brought.parent.mkdir(parents=True)
    brought.write_text("home = /srv/shop/evil")
    with pytest.raises(host_side.Refused):
        host_side.link_tree(str(tmp_path / "tree"), str(tmp_path / "environment"))


def test_programs_of_packages_are_put_in_place(host_side, tmp_path):
    (tmp_path / "tree/bin").mkdir(parents=True)
    (tmp_path / "tree/bin/python-thing").write_text("x")
    host_side.link_tree(str(tmp_path / "tree"), str(tmp_path / "environment"))
    assert (tmp_path / "environment/bin/python-thing").read_text() == "x"


def test_a_wheel_stays_until_the_source_that_is_built_with_it_is_built(host_side, tmp_path):
    shared, source = ({"piece": str(tmp_path / name)} for name in ("packaging", "psycopg2"))
    for each in (shared, source):
        Path(each["piece"]).touch()
    source["requires"] = [shared]
    host_side.forget_pieces(shared, [source])
    assert Path(shared["piece"]).exists()
    host_side.forget_pieces(source, [])
    assert not list(tmp_path.iterdir())
