"""Edits of nuages.toml leave what people wrote."""

from __future__ import annotations

import tomllib

from nuages.cli.init import template
from nuages.topology.editing import declared, drop, put


OURS = """\
name = "shop"  # as the sign says
domains = [
  "shop.example",  # the first
]

[services]
# cache = "auto"
database = "postgresql"

[hosts.web-1]
address = "root@192.0.2.11"
"""


def test_comments_and_the_form_of_lists_stay():
    text = put(OURS, ("domains",), ["shop.example", "www.shop.example"])
    assert "# as the sign says" in text
    assert '  "shop.example",  # the first' in text
    assert declared(text, ("domains",)) == ["shop.example", "www.shop.example"]


def test_a_key_that_is_commented_out_becomes_the_key():
    text = put(OURS, ("services", "cache"), "none")
    assert text == OURS.replace('# cache = "auto"', 'cache = "none"')


def test_a_key_at_the_top_does_not_fall_into_the_last_table():
    text = put('[services]\ncache = "none"\n', ("keep",), 3)
    assert tomllib.loads(text) == {"keep": 3, "services": {"cache": "none"}}


def test_tables_of_an_environment_are_made_where_they_are_missing():
    text = put(OURS, ("env", "staging", "services", "cache"), "memcached")
    text = put(text, ("env", "staging", "domains"), ["staging.shop.example"])
    assert declared(text, ("env", "staging")) == {"services": {"cache": "memcached"}, "domains": ["staging.shop.example"]}
    assert text.startswith(OURS.rstrip())


def test_what_is_dropped_is_gone_and_the_rest_stays():
    assert declared(drop(OURS, ("services", "database")), ("services", "database")) is None
    assert drop(OURS, ("scale", "web")) == OURS


def test_a_template_is_filled_in_where_it_explains_the_key():
    text = template("shop")
    lines = put(text, ("serve", "max_upload"), "20M").splitlines()
    assert lines[lines.index('max_upload = "20M"') - 1].startswith("#")
    assert len(lines) == len(text.splitlines())
