"""What an earlier build has compiled is not compiled again."""

import json
import platform
import sys

import pytest

from nuages.hosts.local import LocalTransport
from nuages.release.bytecode import compile_build


THIS = platform.python_version()


class Counting(LocalTransport):
    def __init__(self):
        self.compiled = []

    def run(self, command, progress=None):
        self.compiled += [word for word in command.argv if word.endswith(".py")]
        return super().run(command, progress)


@pytest.fixture
def here():
    return Counting()


def build(folder, here, version=THIS, **modules):
    for name, text in {"views": "a = 1\n", "urls": "b = 2\n", **modules}.items():
        path = folder / "source" / "shop" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "runtime").mkdir()
    compile_build(folder, sys.executable, version, here, folder.parent)
    (folder / "manifest.json").write_text(json.dumps({"python": version}))
    return {path.name.partition(".")[0]: path for path in (folder / "source" / "shop" / "__pycache__").iterdir()}


def test_only_a_file_that_changed_is_compiled(tmp_path, here):
    first = build(tmp_path / "b1", here)
    here.compiled.clear()
    second = build(tmp_path / "b2", here, views="a = 3\n")
    assert [path.rsplit("/", 1)[1] for path in here.compiled] == ["views.py"]
    assert second["urls"].samefile(first["urls"])
    assert second["views"].read_bytes() != first["views"].read_bytes()


def test_where_nothing_changed_no_process_starts(tmp_path, here):
    build(tmp_path / "b1", here)
    here.compiled.clear()
    assert set(build(tmp_path / "b2", here)) == {"views", "urls"}
    assert here.compiled == []


def test_another_python_compiles_all(tmp_path, here):
    build(tmp_path / "b1", here, version="3.8.1")
    here.compiled.clear()
    build(tmp_path / "b2", here)
    assert len(here.compiled) == 2


def test_a_file_that_does_not_compile_does_no_harm(tmp_path, here):
    assert set(build(tmp_path / "b1", here, broken="def\n")) == {"views", "urls"}
