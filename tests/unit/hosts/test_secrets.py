"""A secret never prints itself, and a command never prints its environment or input."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nuages.hosts.command import Command, Result, run
from nuages.secret import Secret


# Digits that none of our own texts hold.
VALUES = st.text("13579", min_size=6)


@given(VALUES)
def test_a_secret_is_stars_however_it_is_printed(value):
    secret = Secret(value)
    shown = f"{secret} {secret!r} {secret!s} {[secret]} {{'k': secret}} %s %r" % (secret, secret)
    assert value not in shown
    assert secret.reveal() == value


@given(VALUES)
def test_a_secret_does_not_leak_in_an_error_about_it(value):
    with pytest.raises(TypeError) as error:
        Secret(value) + "suffix"
    assert value not in str(error.value)


@given(VALUES)
def test_a_command_shows_neither_environment_nor_input(value):
    command = Command(("psql", "-f", "-"), env={"PGPASSWORD": Secret(value)}, stdin=Secret(value))
    assert value not in str(command)
    assert value not in repr(command)
    assert command.environment() == {"PGPASSWORD": value}
    assert value not in repr(Command(("psql",), env={"PGPASSWORD": value}, stdin=value))


@given(VALUES, VALUES)
def test_secrets_compare_by_what_they_hold(one, other):
    assert (Secret(one) == Secret(other)) == (one == other)
    assert len({Secret(one), Secret(one)}) == 1


def test_a_command_is_shown_as_it_would_be_typed():
    assert str(run("echo", "two words", "it's")) == """echo 'two words' 'it'"'"'s'"""


def test_the_tail_of_a_result_prefers_what_was_said_as_an_error():
    assert Result(1, "out\n", "\n\nfirst\n\nlast\n").tail(1) == "last"
    assert Result(1, "only this\n", "  \n").tail() == "only this"
