"""Variables as text, there and back."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nuages.errors import UsageError
from nuages.settings.dotenv import as_dotenv, as_shell, parse_dotenv, parse_exported, parse_strictly


VALUES = st.text(st.characters(exclude_characters="\0\r", exclude_categories=("Cs",)), max_size=60)


@given(st.dictionaries(st.from_regex(r"\A[A-Z][A-Z0-9_]{0,8}\Z"), VALUES, max_size=5))
def test_what_is_exported_is_imported_as_it_was(values):
    assert parse_dotenv(as_dotenv(values)) == values
    assert parse_strictly(as_dotenv(values)) == values


def test_a_shell_reads_what_is_written_for_it():
    values = {"A": "it's $HOME", "B": "two\nlines", "C": ""}
    assert dict(word.split("=", 1) for word in shlex.split(as_shell(values))) == values


@pytest.mark.parametrize(
    "text",
    [
        '{"A": "it\'s", "B": "x y"}',
        "A='it'\\''s'\nB='x y'\n",
        "export A=\"it's\"\nexport B='x y'\n",
        "=== shop Config Vars\n\nA:  it's\nB:  x y\n",
    ],
)
def test_every_way_in_which_heroku_prints_is_read(text):
    assert parse_exported(text) == {"A": "it's", "B": "x y"}


def test_a_line_that_can_not_be_read_would_be_a_variable_lost():
    with pytest.raises(UsageError, match="line 2 is not NAME=VALUE"):
        parse_strictly("A=1\nB two\nC=3\n", "what you saved")
