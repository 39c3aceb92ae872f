"""-e NAME, and environments that ask."""

import pytest

from nuages.cli import with_common_first


@pytest.fixture
def protected(deployed, project):
    (project / "nuages.toml").write_text('name = "shop"\nprotected = true\n[env.staging]\n')
    return deployed


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (["deploy", "-e", "staging", "-v"], ["-v", "-e", "staging", "deploy"]),
        (["config:set", "A=1", "--env=staging"], ["--env=staging", "config:set", "A=1"]),
        (["deploy", "--yes"], ["--yes", "deploy"]),
        (["destroy", "--yes", "shop"], ["destroy", "--yes", "shop"]),
        (["-e", "staging", "run", "env", "-e", "x", "-v"], ["-e", "staging", "run", "env", "-e", "x", "-v"]),
    ],
)
def test_the_environment_is_named_where_one_likes(said, meant):
    assert with_common_first(said) == meant


def test_each_environment_is_a_site_of_its_own(nuages, protected):
    assert "v2 *" in nuages("releases").output
    error = nuages("-e", "staging", "releases").exception
    assert "shop-staging has not been deployed yet" in str(error)
    assert error.hint == "nuages -e staging up"
    assert "v2 *" in nuages("releases").output, "the choice is of one command"


def test_an_unknown_one_is_told_with_those_that_there_are(nuages, protected):
    error = nuages("-e", "stagign", "status").exception
    assert "no environment called 'stagign'" in str(error)
    assert "production, staging" in error.hint


def test_a_protected_environment_is_not_changed_unless_it_is_meant(nuages, protected):
    error = nuages("maintenance", "on").exception
    assert "shop is protected" in str(error)
    assert "--yes" in error.hint
    assert not protected.maintenance.exists()


def test_yes_means_it(nuages, protected):
    assert nuages("--yes", "maintenance", "on").output == "maintenance is on\n"
    assert protected.maintenance.exists()


def test_a_verbs_own_yes_means_it_too(nuages, protected):
    assert "is protected" in str(nuages("db", "restore", "shop-20261125").exception)
    assert "is protected" not in str(nuages("db", "restore", "shop-20261125", "--yes").exception)
