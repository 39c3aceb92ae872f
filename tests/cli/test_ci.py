"""Workflows for CI: valid files, pinned, with nothing secret in them."""

import pytest
import yaml
from click.testing import CliRunner

import nuages
from nuages.cli import root
from nuages.topology.environments import CHOSEN


TOML = 'name = "shop"\n[hosts.web-1]\naddress = "192.0.2.11"\n[env.staging]\ndomains = ["staging.shop.example"]\n'


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.setenv(CHOSEN, "production")  # -e sets it, and it goes with the test
    (tmp_path / "manage.py").write_text("")
    (tmp_path / "nuages.toml").write_text(TOML)
    return tmp_path


def run(project, *words):
    return CliRunner().invoke(root, ["-C", str(project), *words])


def test_github_tests_then_deploys_with_the_key_and_waits_for_others(project):
    said = run(project, "ci", "init", "github")
    assert said.exit_code == 0, said
    file = yaml.safe_load((project / ".github/workflows/deploy.yml").read_text())
    assert file[True]["push"]["branches"] == ["main"]  # YAML 1.1 reads `on` so
    job = file["jobs"]["deploy"]
    lines = [step["run"] for step in job["steps"] if "run" in step]
    assert f'"nuages=={nuages.__version__}"' in lines[0]
    tests, deploy = (next(i for i, line in enumerate(lines) if word in line) for word in ("nuages test", "deploy --json"))
    assert tests < deploy
    assert "--wait-lock 600" in lines[deploy]
    assert file["concurrency"] == {"group": "deploy-production", "cancel-in-progress": False}
    assert file["permissions"] == {"contents": "read"}
    assert not [line for line in lines if "${{" in line]  # what an expression holds would be run by the shell
    assert "access add-deploy-key ci-production" in said.output


def test_gitlab_has_one_job_and_takes_turns(project):
    assert run(project, "ci", "init", "gitlab", "--branch", "release/1").exit_code == 0
    file = yaml.safe_load((project / ".gitlab-ci.yml").read_text())
    job = file["deploy-production"]
    assert job["rules"] == [{"if": '$CI_COMMIT_BRANCH == "release/1"'}]
    assert (job["resource_group"], job["interruptible"]) == ("production", False)
    assert "nuages test" in job["script"][0]


def test_a_project_that_is_on_gitlab_gets_its_file(project):
    (project / ".git").mkdir()
    (project / ".git/config").write_text('[remote "origin"]\n\turl = git@gitlab.com:shop/shop.git\n')
    assert ".gitlab-ci.yml" in run(project, "ci", "init").output


def test_another_environment_has_its_own_workflow(project, monkeypatch):
    assert run(project, "-e", "staging", "ci", "init", "github", "--branch", "develop").exit_code == 0
    text = (project / ".github/workflows/deploy-staging.yml").read_text()
    assert "nuages -e staging --yes deploy" in text
    assert yaml.safe_load(text)["concurrency"]["group"] == "deploy-staging"


def test_what_is_there_stays_and_may_be_printed(project):
    (project / ".gitlab-ci.yml").write_text("mine: {}\n")
    said = run(project, "ci", "init", "gitlab")
    assert "is there already" in str(said.exception)
    assert (project / ".gitlab-ci.yml").read_text() == "mine: {}\n"
    assert yaml.safe_load(run(project, "ci", "init", "gitlab", "--print").output)["deploy-production"]


@pytest.mark.parametrize("branch", ['x"]\n  evil: [', "a b", ""])
def test_a_branch_is_a_name(project, branch):
    assert run(project, "ci", "init", "github", "--branch", branch).exit_code != 0


def test_without_a_server_there_is_nothing_to_deploy_to(project):
    (project / "nuages.toml").write_text('name = "shop"\n')
    assert "no server" in str(run(project, "ci", "init").exception)
