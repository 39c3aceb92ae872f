"""Verbs that Heroku's users know, against a site on disk."""

from __future__ import annotations

import json
import stat
import subprocess
import tomllib

import pytest

from nuages.release.layout import local_site
from nuages.settings.configuration import Configuration


@pytest.fixture
def repository(project):
    for words in (
        ("init", "-q", "-b", "main"),
        ("add", "-A"),
        ("-c", "user.name=A", "-c", "user.email=a@b.example", "commit", "-qm", "x"),
    ):
        subprocess.run(["git", *words], cwd=project, check=True)
    return project


def toml(project):
    return tomllib.loads((project / "nuages.toml").read_text())


# --- create ---------------------------------------------------------------------------------------------------


def test_create_writes_what_is_missing_and_makes_the_remote(nuages, repository):
    said = nuages("create", "shoppe", "--host", "root@192.0.2.11").output
    assert "git remote production: nuages::production" in said
    assert toml(repository)["hosts"] == {"web-1": {"address": "root@192.0.2.11"}}
    again = nuages("create", "--host", "root@192.0.2.11")
    assert "says it all" in again.output
    nuages("create", "--host", "root@192.0.2.12")
    assert list(toml(repository)["hosts"]) == ["web-1", "web-2"]


def test_create_of_an_environment_makes_its_table_and_a_remote_of_its_name(nuages, repository):
    nuages("create")
    nuages("-e", "staging", "create", "--host", "root@192.0.2.13")
    assert toml(repository)["env"]["staging"]["hosts"] == {"web-1": {"address": "root@192.0.2.13"}}
    assert nuages("git").output.splitlines() == ["production  nuages::production", "staging  nuages::staging"]


def test_another_name_is_no_guess(nuages, project):
    nuages("create", "shoppe")
    refused = nuages("create", "library").exception
    assert "its name is 'shoppe' already" in str(refused)
    assert "next: nuages up" in nuages("create").output  # no repository, no remote


# --- config ---------------------------------------------------------------------------------------------------


def test_values_are_exported_for_ones_own_eyes(nuages, deployed, tmp_path):
    place = tmp_path / "production.env"
    nuages("config", "export", str(place))
    assert place.read_text() == "EMPTY=\nPASSWORD=hunter2\n"
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert "is there already" in str(nuages("config", "export", str(place)).exception)


def test_a_shell_reads_what_config_prints_for_it(nuages, deployed):
    assert nuages("config", "-s").output == "EMPTY=''\nPASSWORD=hunter2\n"
    assert nuages("config:get", "-s", "PASSWORD").output == "PASSWORD=hunter2\n"


def test_configurations_of_two_releases_are_compared_by_name(nuages, deployed):
    old = Configuration(version=1, env={"PASSWORD": "old", "GONE": "x"}, secret_key="s" * 64)
    deployed.config(1).write_text(json.dumps(old.as_dict()))
    said = nuages("config", "diff").output
    assert "v1 (config v1) -> v2 (config v2)" in said
    assert {"+ EMPTY", "- GONE", "~ PASSWORD"} <= set(said.splitlines())
    assert "hunter2" not in said


def test_an_editor_that_saves_nothing_changes_nothing(nuages, deployed, monkeypatch):
    monkeypatch.setenv("EDITOR", "true")
    assert "nothing is changed" in nuages("config", "edit").output


def test_an_editor_that_leaves_a_torn_line_changes_nothing(nuages, deployed, monkeypatch):
    monkeypatch.setenv("EDITOR", "sed -i '$aTORN LINE'")
    assert "is not NAME=VALUE" in str(nuages("config", "edit").exception)


def test_before_the_first_deploy_what_is_edited_is_kept_for_it(nuages, project, monkeypatch):
    monkeypatch.setenv("EDITOR", "sed -i '$aTOKEN=abc'")
    assert "kept as config v2" in nuages("config", "edit").output
    assert nuages("config", "get", "TOKEN").output == "abc\n"
    assert "kept as config v3" in nuages("config", "import", "-", input='{"TOKEN": "from heroku"}').output


# --- releases -------------------------------------------------------------------------------------------------


def test_a_release_tells_what_it_changed(nuages, deployed):
    old = Configuration(version=1, env={"GONE": "x"}, secret_key="s" * 64)
    deployed.config(1).write_text(json.dumps(old.as_dict()))
    for build, names in (("b1", ["0001_initial"]), ("b2", ["0001_initial", "0002_isbn"])):
        for name in names:
            place = deployed.build(build) / "source" / "catalog" / "migrations" / f"{name}.py"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text("")
    said = nuages("releases:info", "v2").output
    assert "v2  live" in said
    assert "migration: catalog.0002_isbn" in said
    assert "config: - GONE" in said
    assert json.loads(nuages("releases:info", "--json").output)["migrations"] == ["catalog.0002_isbn"]


def test_the_output_of_a_release_is_its_steps(nuages, deployed):
    steps = [
        {"at": "x", "deploy": "aaaa", "step": "+ localhost  release v1: c0ffee", "state": "done", "seconds": 0},
        {"at": "x", "deploy": "bbbb", "step": "+ localhost  release v2: c0ffee", "state": "begin"},
        {"at": "x", "deploy": "bbbb", "step": "+ localhost  release v2: c0ffee", "state": "done", "seconds": 0},
        {"at": "x", "deploy": "bbbb", "step": "~ localhost  migrate", "state": "done", "seconds": 2.5},
    ]
    deployed.journal.write_text("torn\n" + "".join(json.dumps(step) + "\n" for step in steps))
    said = nuages("releases:output").output
    assert said.splitlines() == ["x  + localhost  release v2: c0ffee", "x  ~ localhost  migrate  2.5 s"]


def test_a_release_that_is_not_on_disk_is_told_with_those_that_are(nuages, deployed):
    refused = nuages("releases:info", "v9").exception
    assert "v9 is not on disk" in str(refused)
    assert refused.hint == "there are v1, v2"


# --- domains, add-ons, apps -----------------------------------------------------------------------------------


def test_before_the_first_deploy_domains_are_written_alone(nuages, project):
    said = nuages("domains", "add", "Shop.Example", "www.shop.example").output
    assert "next: nuages up" in said
    assert toml(project)["domains"] == ["shop.example", "www.shop.example"]
    nuages("domains", "remove", "www.shop.example")
    assert toml(project)["domains"] == ["shop.example"]


@pytest.mark.parametrize(
    ("words", "what"), [(("add", "https://x"), "is not a domain"), (("remove", "no.example"), "is no domain of shop")]
)
def test_what_is_no_domain_is_refused(nuages, project, words, what):
    assert what in str(nuages("domains", *words).exception)


def test_add_ons_of_this_machine_are_its_own(nuages, deployed):
    assert "sqlite" in nuages("addons").output
    assert "no service is installed" in str(nuages("addons", "create", "redis").exception)


def test_every_site_on_this_machine_is_listed(nuages, deployed):
    assert nuages("apps").output.splitlines()[1].split()[:4] == ["shop", "this", "machine", "v2"]
    assert "shop" in nuages("info").output


def test_nobody_is_asked_where_nobody_is(nuages, project):
    (project / "app.json").write_text('{"name": "shop", "env": {"SHELVES": "12"}}')
    assert "nobody is here to ask" in str(nuages("import", "heroku").exception)
    assert not (project / "nuages.toml").exists()
    nuages("--yes", "import", "heroku")
    assert nuages("config", "get", "SHELVES").output == "12\n"
    assert local_site("shop").config(2).exists()
