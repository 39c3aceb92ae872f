"""PostgreSQL and SQLite make the same of a value, and never the value itself."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from postgres import postgresql


pytestmark = pytest.mark.local
SOURCE = Path(__file__).parents[2] / "src" / "nuages" / "dataside" / "scrub_words.py"
SPEC = importlib.util.spec_from_file_location("scrub_words", SOURCE)
assert SPEC
assert SPEC.loader
words = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(words)
KEY = "of one run"
VALUES = ("ann@mail.example", "+49 30 123456", "O'Brien", "ünï 😀 ß", "DE89370400440532013000", "0", "a")


@pytest.fixture(scope="module")
def ask():
    with postgresql() as server:
        server.sql("postgres", words.for_postgresql())
        server.sql("postgres", f"ALTER DATABASE postgres SET nuages.key = '{KEY}'")
        yield lambda sql: server.sql("postgres", sql)


@pytest.mark.parametrize("name", sorted(set(words.ARGUMENTS) - {"scrub_date", "scrub_json"}))
def test_both_engines_make_the_same_of_a_value(ask, name):
    for value in VALUES:
        more = (60,) if words.ARGUMENTS[name] == 2 else ()
        quoted = value.replace("'", "''")
        found = ask(f"SELECT nuages_scrub.{name}('{quoted}'{''.join(f', {n}' for n in more)})")
        assert found == getattr(words.Words(KEY), name)(value, *more)


def test_keys_go_however_deep_they_are(ask):
    data = '{"a": [{"Mail": 1, "b": {"mail": 2, "c": [3]}}], "mail": 4}'
    found = ask(f"SELECT nuages_scrub.scrub_json('{data}', ARRAY['mail'])")
    assert found == '{"a": [{"b": {"c": [3]}}]}' == words.Words(KEY).scrub_json(data, "mail")


def test_another_run_makes_something_else_of_it():
    assert words.Words("one").scrub_email("ann@mail.example", 60) != words.Words("two").scrub_email("ann@mail.example", 60)


def test_no_result_is_longer_than_its_column():
    made = words.Words(KEY)
    for name in ("scrub_hash", "scrub_email", "scrub_username", "scrub_name", "scrub_address"):
        assert all(len(getattr(made, name)(value, 24)) <= 24 for value in VALUES)


def test_the_time_of_day_stays(ask):
    moved = words.Words(KEY).scrub_date("2026-11-25 10:11:12.123456", 30)
    assert moved.endswith(" 10:11:12.123456")
    assert moved[:10] != "2026-11-25"
