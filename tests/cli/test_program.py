"""The command line itself: help, guesses, errors, exit codes, completion."""

import json
import os
import re
import subprocess
import sys

import click
import pytest

from nuages.cli import VERBS, root
from nuages.topology import load_topology


NUAGES = (sys.executable, "-c", "from nuages.cli import main; main()")
EVERY_VERB = [verb for group in VERBS.values() for verb in group]


def program(*words, cwd, **env):
    plain = {k: v for k, v in os.environ.items() if k != "FORCE_COLOR"}
    return subprocess.run(
        [*NUAGES, *words], cwd=cwd, env={**plain, **env}, capture_output=True, text=True, timeout=60, check=False
    )


def commands():
    context = click.Context(root)
    for verb in EVERY_VERB:
        command = root.get_command(context, verb)
        yield (verb,)
        if isinstance(command, click.Group):
            yield from ((verb, sub) for sub in command.list_commands(context))


@pytest.mark.parametrize("words", list(commands()), ids=" ".join)
def test_every_verb_explains_itself_in_a_sentence(nuages, words):
    result = nuages(*words, "--help")
    assert result.exit_code == 0
    assert result.output.startswith("Usage: ")
    first = result.output.split("\n\n")[1].strip()
    assert re.match(r"[A-Z].*[.:]", first, re.DOTALL), first


def test_help_lists_every_verb_with_what_it_does(nuages):
    text = nuages("--help").output
    for verb in EVERY_VERB:
        assert re.search(rf"^  {verb} +\S.{{8,}}", text, re.MULTILINE), verb


def test_help_comes_without_a_project(tmp_path):
    assert program("--help", cwd=tmp_path).returncode == 0
    assert re.match(r"nuages, version \d", program("--version", cwd=tmp_path).stdout)


@pytest.mark.parametrize(
    ("typed", "meant"), [("deplyo", "deploy"), ("stauts", "status"), ("relases", "releases"), ("confg", "config")]
)
def test_a_misspelt_verb_is_guessed(nuages, typed, meant):
    result = nuages(typed)
    assert result.exit_code != 0
    assert f"Did you mean {meant}?" in result.output


@pytest.mark.parametrize("typed", ["config:nope", "status:now", "zzzzz", ":", "config:"])
def test_what_is_no_verb_is_told_without_a_traceback(nuages, typed):
    result = nuages(typed)
    assert result.exit_code != 0
    assert isinstance(result.exception, SystemExit)


def test_an_error_is_one_line_and_a_hint(project):
    done = program("releases", cwd=project)
    assert done.returncode == 1
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert lines[0] == f"nuages: {project}: shop has not been deployed yet"
    assert lines[1] == "  hint: nuages up"
    assert "\x1b" not in done.stderr


def test_an_error_for_machines_is_json(project):
    done = program("releases", "--json", cwd=project)
    error = json.loads(done.stdout)
    assert (done.returncode, error["event"], error["hint"]) == (1, "error", "nuages up")


def test_a_traceback_comes_with_v_alone(project):
    assert "Traceback" not in program("releases", cwd=project).stderr
    assert "Traceback" in program("-v", "releases", cwd=project).stderr


def test_a_wrong_use_has_an_exit_status_of_its_own(project):
    assert program("status", "--nope", cwd=project).returncode == 64
    assert program("nope", cwd=project).returncode == 64


def test_a_broken_nuages_toml_is_told_by_its_key(project):
    (project / "nuages.toml").write_text("prot = 1")
    done = program("status", cwd=project)
    assert done.stderr.splitlines()[0] == "nuages: prot: there is no key called 'prot'"
    assert "did you mean port?" in done.stderr


def test_a_folder_that_is_not_there_is_told(tmp_path):
    done = program("-C", "nowhere", "status", cwd=tmp_path)
    assert done.returncode != 0
    assert "no such folder" in done.stderr or "does not exist" in done.stderr


def test_a_folder_without_a_project_is_told(tmp_path, data_home):
    (tmp_path / "empty").mkdir()
    done = program("plan", "--json", cwd=tmp_path / "empty")
    error = json.loads(done.stdout.splitlines()[-1])
    assert (done.returncode, error["event"]) == (1, "error")
    assert error["error"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_printed_for_every_shell(tmp_path, shell):
    done = program(cwd=tmp_path, _NUAGES_COMPLETE=f"{shell}_source")
    if shell == "bash" and "Bash" in done.stderr:
        pytest.skip("bash is missing or too old here")
    assert "_NUAGES_COMPLETE" in done.stdout


def test_verbs_are_completed(tmp_path):
    done = program(cwd=tmp_path, _NUAGES_COMPLETE="bash_complete", COMP_WORDS="nuages rel", COMP_CWORD="1")
    assert done.stdout.strip() == "plain,releases"


def test_init_writes_a_file_that_says_what_is_so_already(nuages, project):
    before = load_topology(project)
    assert "every key in it is optional" in nuages("init").output
    after = load_topology(project)
    assert {f for f in before.__dataclass_fields__ if getattr(before, f) != getattr(after, f)} == {"declared"}


def test_every_line_that_init_writes_may_be_uncommented(nuages, project):
    nuages("init")
    text = (project / "nuages.toml").read_text()
    (project / "nuages.toml").write_text(re.sub(r"^# (?=[a-z_]+ = |\[)", "", text, flags=re.MULTILINE))
    assert load_topology(project).keep == 5


def test_init_does_not_write_over_a_file(nuages, project):
    (project / "nuages.toml").write_text("keep = 3")
    assert "is there already" in str(nuages("init").exception)
    assert (project / "nuages.toml").read_text() == "keep = 3"
