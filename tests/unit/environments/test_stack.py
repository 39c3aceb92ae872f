"""What serving adds to a project's own packages."""

import pytest

from nuages.environments.stack import instead_of


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
