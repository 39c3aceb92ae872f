"""Configuration: every change is a new version, empty values count, rotated keys stay rotated, values stay unseen."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nuages.errors import UsageError
from nuages.settings.configuration import (
    Configuration,
    load_configuration,
    parse_assignments,
    process_environment,
    rolled_back,
    rotate_key,
    set_file,
    set_scale,
    set_values,
    unset_values,
)
from nuages.settings.dotenv import parse_dotenv


OLD = Configuration(version=3, env={"DEBUG_TOOLBAR": "", "DATABASE_URL": "postgres://a"}, secret_key="first")
NAMES = st.from_regex(r"[A-Z][A-Z0-9_]{0,10}", fullmatch=True).filter(lambda n: not n.startswith("NUAGES_"))
VALUES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


def test_a_new_site_gets_a_long_key_of_its_own():
    one, other = load_configuration(None), load_configuration(None)
    assert one.version == 1
    assert len(one.secret_key) >= 50
    assert one.secret_key != other.secret_key


@given(st.dictionaries(NAMES, VALUES))
def test_what_is_stored_is_what_is_loaded(env):
    config = Configuration(version=2, env=env, files={"a": "b"}, scale={"web": 2}, secret_key="k", secret_key_fallbacks=("j",))
    assert load_configuration(json.loads(json.dumps(config.as_dict()))) == config


def test_a_key_that_a_newer_version_stores_is_passed_over():
    assert load_configuration({**OLD.as_dict(), "from_the_future": 1}) == OLD


def test_setting_a_value_is_a_new_version_that_says_what():
    new = set_values(OLD, {"EMAIL_HOST": "mail.example", "DATABASE_URL": "postgres://b"})
    assert (new.version, new.why) == (4, "set DATABASE_URL, EMAIL_HOST")
    assert new.env == {"DEBUG_TOOLBAR": "", "DATABASE_URL": "postgres://b", "EMAIL_HOST": "mail.example"}


def test_setting_what_is_set_changes_nothing():
    assert set_values(OLD, {"DATABASE_URL": "postgres://a"}) is OLD


def test_an_empty_value_is_a_value():
    assert set_values(OLD, {"EMPTY": ""}).env["EMPTY"] == ""
    assert process_environment(set_values(OLD, {"EMPTY": ""}), ())["EMPTY"] == ""


@pytest.mark.parametrize("name", ["", "1ST", "WITH SPACE", "WITH-HYPHEN", "Ü", "A\n", "A=B", "NUAGES_SECRET_KEY", "PYTHONPATH"])
def test_a_name_that_no_process_could_have_is_refused(name):
    with pytest.raises(UsageError):
        set_values(OLD, {name: "x"})


def test_a_value_that_no_process_could_have_is_refused():
    with pytest.raises(UsageError) as error:
        set_values(OLD, {"A": "secret\0value"})
    assert error.value.where == "A"
    assert "secret" not in str(error.value)


def test_unsetting_takes_variables_and_files():
    config = set_file(OLD, "config/keys.json", "{}")
    new = unset_values(config, ("DATABASE_URL", "config/keys.json"))
    assert (new.version, new.env, new.files) == (5, {"DEBUG_TOOLBAR": ""}, {})


def test_unsetting_what_is_not_there_names_it():
    with pytest.raises(UsageError, match="there is no NOPE in the configuration"):
        unset_values(OLD, ("DATABASE_URL", "NOPE"))


@pytest.mark.parametrize("path", ["/etc/passwd", "../outside", "a/../../outside", "", ".", "./", "folder/", "a\0b"])
def test_a_file_goes_under_the_project_and_has_a_name(path):
    with pytest.raises(UsageError):
        set_file(OLD, path, "x")


def test_a_file_is_a_new_version():
    assert (set_file(OLD, "config/keys.json", "{}").version, set_file(OLD, "a", "x").files) == (4, {"a": "x"})


def test_a_file_that_is_so_already_changes_nothing():
    config = set_file(OLD, "a", "x")
    assert set_file(config, "a", "x") is config


def test_scaling_to_what_is_so_changes_nothing():
    config = set_scale(OLD, {"web": 4})
    assert (config.version, config.why) == (4, "scale web=4")
    assert set_scale(config, {"web": 4}) is config
    assert set_scale(config, {"worker": 2}).scale == {"web": 4, "worker": 2}


def test_a_rotated_key_goes_on_verifying_for_a_while():
    config = OLD
    for _ in range(5):
        config = rotate_key(config)
    assert config.version == 8
    assert len(config.secret_key_fallbacks) == 3
    assert config.secret_key not in config.secret_key_fallbacks
    assert rotate_key(OLD).secret_key_fallbacks == ("first",)


def test_a_rollback_takes_the_values_back_and_not_the_key():
    newest = rotate_key(set_values(OLD, {"DATABASE_URL": "postgres://b"}))
    back = rolled_back(OLD, newest)
    assert (back.version, back.env, back.why) == (6, OLD.env, "rollback to config v3")
    assert (back.secret_key, back.secret_key_fallbacks) == (newest.secret_key, newest.secret_key_fallbacks)


def test_a_rollback_to_the_same_values_makes_no_version():
    newest = rotate_key(OLD)
    assert rolled_back(OLD, newest) is newest


def test_the_users_variable_wins_over_what_is_generated():
    config = set_values(OLD, {"DJANGO_SECRET_KEY": "mine"})
    env = process_environment(config, ("DJANGO_SECRET_KEY", "SECRET_KEY"))
    assert (env["DJANGO_SECRET_KEY"], env["SECRET_KEY"], env["NUAGES_SECRET_KEY"]) == ("mine", "first", "first")
    assert json.loads(process_environment(rotate_key(OLD), ())["NUAGES_SECRET_KEY_FALLBACKS"]) == ["first"]


DIGITS = st.text("13579", min_size=6)


@given(DIGITS, DIGITS)
def test_no_value_appears_where_a_configuration_is_shown(value, key):
    config = rotate_key(set_file(Configuration(env={"A": value}, secret_key=key), "f", value))
    assert value not in f"{config} {config!r}"
    assert key not in f"{config} {config!r}"
    assert value not in config.why


@given(st.dictionaries(NAMES, VALUES))
@example({"URL": "a=b=c", "QUOTED": "\"x\" 'y'", "LINES": "one\ntwo", "SPACES": "  x  "})
def test_an_assignment_takes_any_value_as_it_is(values):
    assert parse_assignments(tuple(f"{k}={v}" for k, v in values.items())) == values


@given(st.text())
@example("NAME")
@example("=x")
@example("A=\0")
def test_any_word_is_an_assignment_or_a_usage_error(word):
    try:
        values = parse_assignments((word,))
    except UsageError:
        return
    assert values == dict([word.split("=", 1)])


def test_a_word_without_a_value_is_told_how_to_remove_it():
    with pytest.raises(UsageError) as error:
        parse_assignments(("DEBUG",))
    assert "nuages config unset DEBUG" in error.value.hint


def test_an_env_file_is_read_as_its_users_write_it(monkeypatch):
    monkeypatch.setenv("HOME_OF_CALLER", "leak")
    text = """
        # a comment
        export SECRET='with #hash and = sign'
        EMPTY=
        QUOTED="two
        lines"
        LITERAL='${HOME_OF_CALLER}'
        EXPANDED=${HOME_OF_CALLER}
        WITH_COMMENT=value # not this
        NO_VALUE
    """
    values = parse_dotenv(text)
    assert values["SECRET"] == "with #hash and = sign"
    assert (values["EMPTY"], values["WITH_COMMENT"]) == ("", "value")
    assert (values["LITERAL"], values["EXPANDED"]) == ("${HOME_OF_CALLER}", "${HOME_OF_CALLER}")
    assert values["QUOTED"].startswith("two\n")
    assert "NO_VALUE" not in values


@pytest.mark.filterwarnings("ignore")
@given(st.text())
def test_any_env_file_gives_names_and_values(text):
    assert all(isinstance(k, str) and isinstance(v, str) for k, v in parse_dotenv(text).items())


@given(st.dictionaries(NAMES, st.text(st.characters(codec="ascii", exclude_categories=["C"], exclude_characters="'\\"))))
def test_quoted_values_of_an_env_file_come_as_they_are(values):
    assert parse_dotenv("\n".join(f"{k}='{v}'" for k, v in values.items())) == values
