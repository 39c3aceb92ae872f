"""[pipeline], [hooks] and [notify]: what can't be meant is told with the key, before anything is asked of a host."""

from pathlib import Path

import pytest

from nuages.errors import TopologyError, UsageError
from nuages.topology.loading import load_text
from nuages.topology.model import Smoke
from nuages.topology.pipeline import skipped, smoke_of, without


ROOT = Path("/projects/shop")


def refused(text):
    with pytest.raises(TopologyError) as caught:
        load_text(ROOT, text)
    return caught.value


def test_without_a_word_only_the_audit_and_static_files_are_on():
    pipeline = load_text(ROOT, "").pipeline
    assert (pipeline.tests, pipeline.audit, pipeline.static, pipeline.smoke, pipeline.smoke_live) == ("", True, True, (), ())


@pytest.mark.parametrize(
    ("line", "smoke"),
    [
        ("/", Smoke("/")),
        ("/healthz 200", Smoke("/healthz")),
        ("/old 301,302", Smoke("/old", "301,302")),
        ("/ contains Welcome to the shop", Smoke("/", contains="Welcome to the shop")),
        ("/cart 2xx contains empty", Smoke("/cart", "2xx", "empty")),
    ],
)
def test_a_question_is_a_path_a_status_and_a_text(line, smoke):
    assert smoke_of(line, "here") == smoke


@pytest.mark.parametrize("line", ["healthz", "/ 999", "/ 200 301", "/ two hundred", ""])
def test_what_is_no_question_is_told_with_its_key(line):
    assert refused(f'[pipeline]\nsmoke_live = ["/", "{line}"]').where == "pipeline.smoke_live.1"


def test_a_hook_that_no_shell_could_read_is_told():
    assert refused('[hooks]\nbefore_build = ["echo \'open"]').where == "hooks.before_build.0"
    assert refused('[hooks]\non_failure = [" "]').where == "hooks.on_failure.0"


def test_an_address_of_a_webhook_has_no_place_in_the_file():
    error = refused('[notify]\nwebhook = ["https://hooks.example/T0/B0/secret"]')
    assert error.where == "notify.webhook.0"
    assert "secret" in error.hint
    assert "T0" not in str(error) + error.hint


def test_mail_goes_to_addresses_and_occasions_are_known():
    assert refused('[notify]\nmail = ["ops"]').where == "notify.mail.0"
    assert refused('[notify]\non = ["deploys"]').where == "notify.on.0"


def test_an_environment_may_have_steps_of_its_own():
    text = '[pipeline]\ntests = "auto"\nsmoke = ["/"]\n[env.staging.pipeline]\ntests = ""\n'
    staging = load_text(ROOT, text, "staging").pipeline
    assert (staging.tests, staging.smoke) == ("", (Smoke("/"),))


def test_steps_are_left_out_of_one_deploy_by_their_names():
    topology = load_text(
        ROOT, '[pipeline]\ntests = "auto"\nsmoke = ["/"]\n[hooks]\nbefore_build = ["true"]\n[notify]\nmail = ["a@b.example"]\n'
    )
    less = without(topology, skipped("tests, smoke"))
    assert (less.pipeline.tests, less.pipeline.smoke, less.hooks.before_build) == ("", (), ("true",))
    none = without(topology, skipped("audit,hooks,notify"))
    assert (none.pipeline.audit, none.hooks.before_build, none.notify.mail, none.pipeline.tests) == (False, (), (), "auto")


def test_a_step_that_there_is_not_can_not_be_left_out():
    with pytest.raises(UsageError, match="'migrations'"):
        skipped("tests,migrations")
