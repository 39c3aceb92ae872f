"""DATABASE_URL in every form that people write."""

from urllib.parse import quote

import pytest
import shipped_runtime  # noqa: F401 - makes nuages_runtime importable
from hypothesis import given
from hypothesis import strategies as st
from nuages_runtime import database_url


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("sqlite:///db.sqlite3", "db.sqlite3"),
        ("sqlite:////var/db.sqlite3", "/var/db.sqlite3"),
        ("sqlite:///my%20db", "my db"),
        ("sqlite://:memory:", ":memory:"),
        ("sqlite://", ":memory:"),
    ],
)
def test_sqlite_is_relative_absolute_or_memory(url, name):
    assert database_url.parse(url) == {"ENGINE": "django.db.backends.sqlite3", "NAME": name}


@pytest.mark.parametrize(
    ("scheme", "engine"),
    [
        ("postgres", "django.db.backends.postgresql"),
        ("postgresql+psycopg", "django.db.backends.postgresql"),
        ("postgis", "django.contrib.gis.db.backends.postgis"),
        ("mysql", "django.db.backends.mysql"),
    ],
)
def test_the_scheme_names_the_engine(scheme, engine):
    entry = database_url.parse(f"{scheme}://u:p@db-1:5/shop")
    assert entry == {
        "ENGINE": engine,
        "NAME": "shop",
        "USER": "u",
        "PASSWORD": "p",
        "HOST": "db-1",
        "PORT": "5",
    }


def test_the_query_goes_to_django_or_to_the_driver():
    entry = database_url.parse("postgres:///shop?host=/run/pg&conn_max_age=60&sslmode=require&pool=true")
    assert entry["HOST"] == "/run/pg"
    assert entry["CONN_MAX_AGE"] == 60
    assert entry["OPTIONS"] == {"sslmode": "require", "pool": True}


def test_an_address_in_brackets_is_ipv6():
    assert database_url.parse("postgres://u:p@[::1]:5432/shop")["HOST"] == "::1"


@pytest.mark.parametrize("url", ["postgres://u:s3cret@db:port/x", "couch://u:s3cret@db/x", "s3cret"])
def test_what_is_wrong_is_said_without_the_password(url):
    with pytest.raises(ValueError, match="DATABASE_URL") as caught:
        database_url.parse(url)
    assert "u:s3cret" not in str(caught.value)


@given(st.text(min_size=1), st.text(min_size=1))
def test_any_quoted_name_and_password_come_back_as_they_were(user, password):
    entry = database_url.parse(f"postgres://{quote(user, safe='')}:{quote(password, safe='')}@db-1/shop")
    assert (entry["USER"], entry["PASSWORD"], entry["HOST"]) == (user, password, "db-1")
