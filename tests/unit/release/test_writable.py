"""What the site writes below its folder: set aside while a release is built, filled in when it is put in place."""

import json
import subprocess
import sys

import pytest

from nuages.release.layout import Layout
from nuages.release.writable import fill_command, lay_config_files, lead_to_site, link_config_files, outermost, set_aside


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "build" / "source"
    (folder / "var").mkdir(parents=True)
    (folder / "var" / "seed.txt").write_text("from the project")
    return folder


def built(source, site, *names):
    aside = source.parent / "writable"
    set_aside(source, aside, names)
    lead_to_site(source, aside, site, names)
    return {"writable": outermost(names)}


def fill(source, site, manifest):
    command = fill_command(source.parent, manifest, site, sys.executable)
    subprocess.run(command.argv, check=True)


def test_while_it_is_built_the_project_writes_into_the_build(tmp_path, source):
    set_aside(source, source.parent / "writable", ["var", "logs"])
    (source / "logs" / "build.log").write_text("written")
    assert (source / "var" / "seed.txt").read_text() == "from the project"
    assert (source.parent / "writable" / "logs" / "build.log").exists()


def test_afterwards_its_links_lead_to_the_site(tmp_path, source):
    site = Layout(tmp_path / "site")
    built(source, site, "var")
    assert (source / "var").readlink() == site.shared("files") / "var"


def test_the_site_gets_what_the_project_brings_and_keeps_what_it_has(tmp_path, source):
    site = Layout(tmp_path / "site")
    (source / "var" / "data.txt").write_text("from the project")
    kept = site.shared("files") / "var" / "data.txt"
    kept.parent.mkdir(parents=True)
    kept.write_text("of the site")
    fill(source, site, built(source, site, "var", "logs"))
    assert kept.read_text() == "of the site"
    assert (source / "var" / "seed.txt").read_text() == "from the project"
    assert (site.shared("files") / "logs").is_dir()


def test_what_the_site_writes_does_not_change_the_build(tmp_path, source):
    site = Layout(tmp_path / "site")
    fill(source, site, built(source, site, "var"))
    (source / "var" / "seed.txt").write_text("changed")
    assert (source.parent / "writable" / "var" / "seed.txt").read_text() == "from the project"


def test_a_folder_in_another_is_that_ones(tmp_path, source):
    assert outermost(["var/log", "var", "media/x", "./var"]) == ["media/x", "var"]
    site = Layout(tmp_path / "site")
    assert built(source, site, "var", "var/log") == {"writable": ["var"]}


def test_a_build_without_such_folders_asks_for_nothing(source):
    assert fill_command(source.parent, {}, Layout(source), sys.executable) is None


def test_files_of_the_configuration_are_readable_while_it_is_built_and_not_part_of_it(tmp_path, source):
    folder, site = tmp_path / "scratch", Layout(tmp_path / "site")
    lay_config_files(source, folder, {"keys/key.json": json.dumps({"secret": 1})})
    assert json.loads((source / "keys" / "key.json").read_text()) == {"secret": 1}
    assert oct((folder / "keys" / "key.json").stat().st_mode)[-3:] == "600"
    link_config_files(source, site, ["keys/key.json"])
    assert (source / "keys" / "key.json").readlink() == site.shared("config-files") / "keys/key.json"
