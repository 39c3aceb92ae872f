"""What verbs tell of a site, to people and to machines."""

import json
import re

import pytest

from nuages.errors import NuagesError, UsageError


def told(result):
    assert isinstance(result.exception, NuagesError), result.output
    return result.exception


def test_status_of_a_site_that_was_never_deployed(nuages):
    result = nuages("status")
    assert result.exit_code == 4
    assert result.output == "shop has not been deployed yet; nuages up\n"
    assert json.loads(nuages("status", "--json").output)["state"] == "never deployed"


def test_status_of_a_site_that_does_not_run(nuages, deployed):
    result = nuages("status")
    assert result.exit_code == 3
    head, release = result.output.splitlines()[:2]
    assert head == "shop  stopped"
    assert re.fullmatch(r"v2  c0ffee11aa \+ changes  by ada  \d+ d ago  config v2  Django 5.2.1  Python 3.13.0", release)


def test_status_for_machines(nuages, deployed):
    facts = json.loads(nuages("status", "--json").output)
    assert {k: facts[k] for k in ("site", "state", "url", "release", "build", "config", "dirty", "maintenance", "processes")} == {
        "site": "shop", "state": "stopped", "url": "", "release": 2, "build": "b2", "config": 2, "dirty": True,
        "maintenance": False, "processes": [],
    }  # fmt: skip
    assert facts["dir"] == str(deployed.dir)


def test_releases_are_listed_newest_first(nuages, deployed):
    lines = nuages("releases").output.splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["v2", "v1"]
    assert "v2 *" in lines[1]
    assert "first deploy" in lines[2]
    releases = json.loads(nuages("releases", "--json").output)
    assert [(r["number"], r["live"]) for r in releases] == [(2, True), (1, False)]


def test_a_release_that_never_went_live_is_not_listed(nuages, deployed):
    (deployed.numbered(3)).mkdir()
    (deployed.numbered(3) / "release.json").write_text('{"number": 3, "build": "b3", "config": 2}')
    assert [r["number"] for r in json.loads(nuages("releases", "--json").output)] == [2, 1]


@pytest.mark.parametrize("words", [("config",), ("config", "list"), ("config:list",)])
def test_configuration_is_listed_by_name_alone(nuages, deployed, words):
    assert nuages(*words).output.splitlines() == ["EMPTY", "PASSWORD", "keys.json  (file, 2 characters)"]


def test_values_are_shown_when_asked_for(nuages, deployed):
    assert nuages("config", "--show").output.splitlines()[:2] == ["EMPTY=", "PASSWORD=hunter2"]
    assert nuages("config", "get", "PASSWORD").output == "hunter2\n"
    assert nuages("config", "get", "EMPTY").output == "\n"
    assert nuages("config:get", "keys.json").output == "{}"


def test_configuration_for_machines(nuages, deployed):
    assert json.loads(nuages("config", "--json").output) == {"version": 2, "env": ["EMPTY", "PASSWORD"], "files": ["keys.json"]}
    assert json.loads(nuages("config", "--json", "--show").output)["env"] == {"EMPTY": "", "PASSWORD": "hunter2"}


def test_getting_what_is_not_set_says_so(nuages, deployed):
    assert "NOPE is not set" in str(told(nuages("config", "get", "NOPE")))


@pytest.mark.parametrize("word", ["NUAGES_X=1", "1=2", "WORD", "A B=1", "=x"])
def test_what_is_no_assignment_is_refused_before_anything_is_written(nuages, deployed, word):
    assert isinstance(told(nuages("config", "set", word)), UsageError)
    assert [p.name for p in (deployed / "config").iterdir()] == ["v2.json"]


def test_setting_what_is_set_changes_nothing(nuages, deployed):
    assert nuages("config", "set", "EMPTY=", "PASSWORD=hunter2").output == "nothing to do: it is so already\n"


def test_a_change_that_deploys_nothing_answers_a_machine_too(nuages, deployed):
    answer = nuages("config", "set", "EMPTY=", "--json").output
    assert json.loads(answer) == {"event": "unchanged", "config": 2}
    assert json.loads(nuages("scale", "--json").output) == {"web": 0}


def test_a_variable_that_is_left_out_of_an_import_is_named(nuages, project):
    (project / ".env").write_text("A=1\nNUAGES_SECRET_KEY=hunter2\n")
    result = nuages("config", "import", str(project / ".env"), "--json")
    assert "left out, for Nuages sets them: NUAGES_SECRET_KEY" in result.stderr
    assert json.loads(result.stdout) == {"event": "kept", "config": 2}


def test_before_the_first_deploy_configuration_is_kept_for_it(nuages, project):
    from nuages.release.layout import local_site

    result = nuages("config:set", "PASSWORD=hunter2", "EMPTY=")
    assert result.exit_code == 0, result.exception
    assert "kept as config v" in result.output
    assert "hunter2" not in result.output
    layout = local_site("shop")
    assert json.loads(nuages("config", "--json", "--show").output)["env"] == {"PASSWORD": "hunter2", "EMPTY": ""}
    assert "hunter2" not in layout.journal.read_text()
    assert {p.stat().st_mode & 0o777 for p in (layout / "config").iterdir()} == {0o600}
    assert not layout.lock.exists()


def test_an_env_file_is_imported(nuages, project):
    (project / "production.txt").write_text("export A='one'\nEMPTY=\nNUAGES_SECRET_KEY=ours\n")
    result = nuages("config", "import", str(project / "production.txt"))
    assert "2 variables: A, EMPTY" in result.output
    assert json.loads(nuages("config", "--json", "--show").output)["env"] == {"A": "one", "EMPTY": ""}


def test_a_value_may_come_from_standard_input(nuages, project):
    nuages("config", "set", "PASSWORD=-", input="typed\n")
    assert nuages("config", "get", "PASSWORD").output == "typed\n"


def test_a_file_may_be_given(nuages, project):
    (project / "keys.txt").write_text('{"k": "hunter2"}')
    result = nuages("config", "set", "--file", f"config/keys.json=@{project / 'keys.txt'}")
    assert "hunter2" not in result.output
    assert nuages("config", "get", "config/keys.json").output == '{"k": "hunter2"}'


@pytest.mark.parametrize("word", ["keys.json", "keys.json=keys.txt", "keys.json=@/no/such/file"])
def test_a_file_that_can_not_be_read_is_named(nuages, project, word):
    assert isinstance(told(nuages("config", "set", "--file", word)), UsageError)


@pytest.mark.parametrize(
    "verb", ["releases", "ps", "logs", "open", "scale", "rollback", "start", "maintenance", "shell", "restart"]
)
def test_a_verb_that_needs_a_deployed_site_says_so(nuages, verb):
    error = told(nuages(verb))
    assert "shop has not been deployed yet" in str(error)
    assert error.hint == "nuages up"


def test_ps_and_open_of_a_stopped_site_say_how_to_start_it(nuages, deployed):
    assert nuages("ps").output == "nothing is running; nuages start\n"
    assert told(nuages("open")).hint == "nuages start"
    assert nuages("down").output == "shop is not running\n"


def test_logs_are_merged_by_time_and_filtered(nuages, deployed):
    deployed.logs.mkdir()
    (deployed.logs / "web.log").write_text("2026-01-02 03:04:05 one\n2026-01-02T03:04:09.5Z three\n  and more\n")
    (deployed.logs / "worker.log").write_text("2026-01-02 03:04:07 two\n")
    assert [line.split()[-1] for line in nuages("logs").output.splitlines()] == ["one", "two", "three", "more"]
    assert [line.split()[-1] for line in nuages("logs", "worker").output.splitlines()] == ["two"]
    assert [line.split()[-1] for line in nuages("logs", "-n", "2", "web").output.splitlines()] == ["three", "more"]
    assert [line.split()[-1] for line in nuages("logs", "--grep", "t[wh]").output.splitlines()] == ["two", "three"]
    assert nuages("logs", "--since", "1h").output == ""


@pytest.mark.parametrize("words", [("nope",), ("--since", "yesterday"), ("--grep", "(")])
def test_logs_that_are_asked_for_wrongly_are_explained(nuages, deployed, words):
    assert isinstance(told(nuages("logs", *words)), UsageError)


@pytest.mark.parametrize("wish", ["web", "web=", "web=-1", "web=many", "web=513", "nope=1", "web=0", "web=²"])
def test_a_scale_that_can_not_be_is_explained(nuages, deployed, wish):
    assert isinstance(told(nuages("scale", "--", wish)), UsageError)


@pytest.mark.parametrize(
    ("wish", "said"), [("v2", "is the live release"), ("v9", "v9 is not on disk"), ("x", "is not a release")]
)
def test_a_rollback_that_can_not_be_is_explained(nuages, deployed, wish, said):
    assert said in str(told(nuages("rollback", wish)))


def test_maintenance_is_put_on_and_off(nuages, deployed):
    assert nuages("maintenance").output == "maintenance is off\n"
    assert nuages("maintenance", "on").output == "maintenance is on\n"
    assert json.loads(nuages("status", "--json").output)["maintenance"] is True
    assert nuages("maintenance", "off").output == "maintenance is off\n"
    assert nuages("maintenance").output == "maintenance is off\n"


def test_destroy_asks_and_takes_no_for_an_answer(nuages, deployed):
    assert "nothing was removed" in str(told(nuages("destroy", input="yes\n")))
    assert deployed.live.exists()
    assert nuages("destroy", input="shop\n").exit_code == 0
    assert not deployed.dir.exists()


def test_destroy_may_keep_the_data(nuages, deployed):
    (deployed / "shared" / "data").mkdir(parents=True)
    (deployed / "shared" / "data" / "db.sqlite3").write_text("rows")
    assert nuages("destroy", "--yes", "shop", "--keep-data").exit_code == 0
    assert (deployed / "shared" / "data" / "db.sqlite3").read_text() == "rows"
    assert not (deployed / "releases").exists()


def test_destroying_what_is_not_there_says_so(nuages):
    assert "there is no site called shop" in str(told(nuages("destroy", "--yes", "shop")))


def test_state_of_another_folder_is_left_alone(nuages, deployed, tmp_path):
    (deployed / "site.json").write_text(json.dumps({"schema": 1, "name": "shop", "root": "/home/bob/shop", "port": 8000}))
    assert "was deployed from /home/bob/shop" in str(told(nuages("status")))


def test_doctor_looks_at_our_own_installation(nuages, deployed):
    result = nuages("doctor")
    assert "state is readable: v2" in result.output
    assert "nothing is running" in result.output
