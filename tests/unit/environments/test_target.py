"""Locks for the Python of another machine, from an index that is a folder."""

from types import SimpleNamespace

import pytest
from wheels import make_source, make_wheel, sha256

from nuages.environments import find_requirements, python_hints
from nuages.environments.model import Target
from nuages.environments.target import choose_python, platform_of, target_key, target_lock, target_tags
from nuages.errors import EnvironmentBuildError, PythonMissingError
from nuages.hosts.local import LocalTransport


DEBIAN_13 = Target("3.13.5", "/usr/bin/python3.13", "x86_64", "glibc 2.41", "Debian 13")
DEBIAN_12 = Target("3.11.2", "/usr/bin/python3.11", "aarch64", "glibc 2.36", "Debian 12")
ALPINE = Target("3.12.9", "/usr/bin/python3.12", "x86_64", "musl 1.2", "")


class Watched(LocalTransport):
    """This machine, counting the processes started on it."""

    def __init__(self):
        self.commands = []

    def run(self, command, progress=None):
        self.commands.append(str(command))
        return super().run(command, progress)


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A folder of wheels that stands for the index; nothing else is asked."""
    folder = tmp_path / "index"
    make_wheel(folder, "django", "5.2")
    (tmp_path / "nothing").mkdir()
    monkeypatch.setenv("UV_DEFAULT_INDEX", (tmp_path / "nothing").as_uri())
    monkeypatch.setenv("UV_FIND_LINKS", str(folder))
    return folder


def shop(tmp_path, *lines):
    root = tmp_path / "shop"
    root.mkdir(exist_ok=True)
    (root / "requirements.txt").write_text("\n".join(("django", *lines)))
    return root


def lock_for(root, target=DEBIAN_13, stack=(), here=None, python="", **how):
    requirements = find_requirements(root, SimpleNamespace(requirements=(), extras=()))
    keep, hints = root.parent / "keep", python_hints(root)
    return target_lock(
        here or LocalTransport(), root, requirements, hints, python, stack, target, keep, lambda _line: None, **how
    )


def test_markers_are_judged_for_the_server_and_not_for_this_machine(tmp_path, index):
    for name in ("onlymac", "onlynew", "onlyold", "onlyarm"):
        make_wheel(index, name)
    lines = (
        'onlymac; sys_platform == "darwin"',
        'onlynew; python_version >= "3.13"',
        'onlyold; python_full_version < "3.11.3"',
        'onlyarm; platform_machine == "aarch64"',
    )
    root = shop(tmp_path, *lines)
    assert sorted(lock_for(root).versions) == ["django", "onlynew"]
    assert sorted(lock_for(root, DEBIAN_12).versions) == ["django", "onlyarm", "onlyold"]


def test_the_wheel_is_the_one_for_the_servers_python_and_libc(tmp_path, index):
    tags = ("cp311-cp311-manylinux_2_17_aarch64", "cp313-cp313-manylinux_2_17_x86_64", "cp313-cp313-macosx_11_0_arm64")
    wheels = {tag: make_wheel(index, "fast", tag=tag) for tag in (*tags, "cp312-cp312-musllinux_1_2_x86_64")}
    root = shop(tmp_path, "fast")
    found = [next(p for p in lock_for(root, each).pins if p.name == "fast") for each in (DEBIAN_13, DEBIAN_12, ALPINE)]
    assert [p.file for p in found] == [wheels[t].name for t in (tags[1], tags[0], "cp312-cp312-musllinux_1_2_x86_64")]
    assert found[0].sha256 == sha256(wheels[tags[1]])


def test_every_line_has_the_digest_of_its_file_and_a_second_look_starts_no_process(tmp_path, index):
    root, here = shop(tmp_path), Watched()
    make_wheel(index, "granian", "2.8")
    first = lock_for(root, stack=("granian",))
    again = lock_for(root, stack=("granian",), here=here)
    assert [line.split(" --hash=sha256:")[0] for line in first.text.splitlines()] == ["django==5.2", "granian==2.8"]
    assert (again, here.commands) == (first, [])
    assert (first.python.path, list(first.added)) == ("/usr/bin/python3.13", ["granian"])


def test_another_digest_or_another_python_is_another_environment(tmp_path, index):
    root = shop(tmp_path)
    first = lock_for(root)
    assert target_key(lock_for(root, DEBIAN_12)) != target_key(first)
    make_wheel(index, "django", "5.2", files={"more.py": ""})
    (root / "requirements.txt").write_text("django==5.2")
    for kept in (root.parent / "keep").glob("pins-*"):
        kept.unlink()
    assert target_key(lock_for(root)) != target_key(first)


def test_the_versions_that_are_live_stay_where_they_fit(tmp_path, index):
    """Another laptop, with an empty disk, makes the same lock."""
    for version in ("0.5.0", "0.6.1"):
        make_wheel(index, "sqlparse", version)
    assert lock_for(shop(tmp_path, "sqlparse"), prefer={"sqlparse": "0.5.0"}).versions["sqlparse"] == "0.5.0"
    assert lock_for(shop(tmp_path, "sqlparse>=0.6"), prefer={"sqlparse": "0.5.0"}).versions["sqlparse"] == "0.6.1"


def test_a_python_that_does_not_fit_is_refused_with_choices(tmp_path, index):
    root = shop(tmp_path)
    (root / "pyproject.toml").write_text('[project]\nname = "shop"\nversion = "1"\nrequires-python = ">=3.12"\n')
    with pytest.raises(PythonMissingError, match=r"Python 3\.11\.2 of Debian 12 does not fit .*requires-python") as refused:
        lock_for(root, DEBIAN_12)
    assert "Debian 13 (Python 3.13)" in refused.value.hint
    assert "Debian 12" not in refused.value.hint
    assert "UV_PYTHON_INSTALL_MIRROR" in refused.value.hint
    with pytest.raises(PythonMissingError, match=r"`python` in nuages.toml \(3\.12\)"):
        lock_for(root, DEBIAN_13, python="3.12")


def test_another_python_of_the_server_is_taken_where_the_systems_does_not_fit(tmp_path):
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "shop"\nversion = "1"\nrequires-python = ">=3.12,<3.14"\n')
    others = {"/opt/python/a/bin/python3.12": "3.12.9", "/usr/local/bin/python3.13": "3.13.1", "/usr/bin/python3.14": "3.14.0"}
    chosen = choose_python(DEBIAN_12, others, python_hints(tmp_path), "")
    assert (chosen.python, chosen.path, chosen.libc) == ("3.13.1", "/usr/local/bin/python3.13", DEBIAN_12.libc)
    assert choose_python(DEBIAN_12, others, python_hints(tmp_path), "3.12").python == "3.12.9"
    assert choose_python(DEBIAN_13, others, python_hints(tmp_path), "") == DEBIAN_13
    assert choose_python(DEBIAN_12, {}, python_hints(tmp_path), "") == DEBIAN_12


def test_a_file_that_the_projects_own_lock_does_not_know_is_refused(tmp_path, index):
    make_wheel(index, "sqlparse")
    root = shop(tmp_path)
    known = sha256(index / "django-5.2-py3-none-any.whl")
    (root / "requirements.txt").write_text(f"django==5.2 --hash=sha256:{known}\nsqlparse==1.0 --hash=sha256:{'0' * 64}\n")
    with pytest.raises(EnvironmentBuildError, match=r"files that the lock does not know: sqlparse-1\.0"):
        lock_for(root)


def test_what_exists_only_as_source_is_pinned_as_that(tmp_path, index):
    source = make_source(index, "docopt", "0.6.2")
    lock = lock_for(shop(tmp_path, "docopt"))
    pin = next(p for p in lock.pins if p.name == "docopt")
    assert (pin.file, pin.sha256, pin.is_wheel) == (source.name, sha256(source), False)
    assert "built from source, for there is no wheel: docopt" in lock.notes


def test_a_server_has_no_compiler_so_drivers_come_as_wheels(tmp_path, index):
    make_wheel(index, "psycopg2_binary", "2.9.10", tag="cp313-cp313-manylinux_2_17_x86_64")
    assert "psycopg2-binary" in lock_for(shop(tmp_path, "psycopg2")).versions


@pytest.mark.parametrize(
    ("arch", "libc", "platform"),
    [
        ("x86_64", "glibc 2.41", "x86_64-manylinux_2_40"),
        ("aarch64", "glibc 2.36", "aarch64-manylinux_2_36"),
        ("x86_64", "glibc 2.29", "x86_64-manylinux_2_28"),
        ("x86_64", "", "x86_64-manylinux_2_17"),
        ("aarch64", "musl 1.2", "aarch64-unknown-linux-musl"),
    ],
)
def test_platforms_have_the_names_that_uv_knows(arch, libc, platform):
    assert platform_of(Target("3.13.5", "", arch, libc)) == platform


def test_a_machine_without_wheels_is_refused():
    with pytest.raises(EnvironmentBuildError, match="there are no wheels for armv7l"):
        platform_of(Target("3.13.5", "", "armv7l", "glibc 2.36", "Debian 12"))


def test_newer_libc_takes_older_wheels_and_not_the_other_way_round():
    accepted = {str(tag) for tag in target_tags(DEBIAN_12)}
    assert {"cp311-abi3-manylinux2014_aarch64", "cp311-cp311-manylinux_2_36_aarch64", "py3-none-any"} <= accepted
    assert not any("2_37" in tag or "x86_64" in tag or "cp313" in tag for tag in accepted)
