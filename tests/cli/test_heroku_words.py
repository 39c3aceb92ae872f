"""Heroku's words lead to verbs that exist, or say why there is none."""

from __future__ import annotations

import click
import pytest

from nuages.cli import VERBS, root
from nuages.cli.heroku import WORDS, in_our_words


KNOWN = [verb for group in VERBS.values() for verb in group]


@pytest.mark.parametrize(
    "word", [word for word, told in WORDS.items() if not told.startswith("?") and not WORDS.get(told, "").startswith("?")]
)
def test_a_word_leads_to_a_verb(word):
    verb, *rest = in_our_words([word])
    if verb.startswith("--"):
        return
    command = root.get_command(click.Context(root), verb)
    assert verb in KNOWN
    if rest and isinstance(command, click.Group):
        assert command.get_command(click.Context(command), rest[0]), (verb, rest)


@pytest.mark.parametrize("word", ["login", "run:detached", "buildpacks", "container:push", "pg:reset"])
def test_what_has_no_counterpart_says_why(word):
    with pytest.raises(click.UsageError, match=f"there is no {word} here: "):
        in_our_words([word])


def test_a_colon_is_a_space_where_no_word_is_known():
    assert in_our_words(["maintenance:on"]) == ["maintenance", "on"]
    assert in_our_words(["config:set", "A=1"]) == ["config", "set", "A=1"]
    assert in_our_words(["pg:psql", "--database", "other"]) == ["dbshell", "--database", "other"]
