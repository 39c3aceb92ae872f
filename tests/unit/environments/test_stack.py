"""What serving adds to a project's own packages."""

import pytest

from nuages.environments.stack import against, instead_of


@pytest.mark.parametrize(
    ("wish", "versions", "said"),
    [
        ("psycopg[binary]", {"psycopg2-binary": "2.9.9"}, "psycopg is left out: the project has psycopg2-binary"),
        ("psycopg", {"psycopg": "3.2.1", "psycopg2": "2.9.9"}, ""),
        ("sentry-sdk>=2", {"django": "5.2"}, ""),
    ],
)
def test_a_driver_that_is_left_out_for_another_one_is_told(wish, versions, said):
    assert instead_of(wish, versions).startswith(said)
    assert bool(instead_of(wish, versions)) == bool(said)


@pytest.mark.parametrize(
    ("pin", "python", "added"),
    [
        ("psycopg2-binary==2.9.9", "3.13.5", True),
        ("psycopg2-binary==2.9.9", "3.12.1", False),
        ("psycopg2-binary==2.9.10", "3.13.5", False),
        ("psycopg2==2.9.3", "3.14.0", True),
    ],
)
def test_a_driver_that_does_not_import_on_this_python_is_no_driver(pin, python, added):
    lines, notes = against((pin, "django==5.1.15"), ("psycopg[binary]>=3.1.8",), python)
    assert bool(lines) == added
    assert ["does not import on Python 3.13" in note for note in notes] == [True] * added
