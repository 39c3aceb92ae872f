"""The MDN tutorial's steps for Heroku, line by line, with this machine as the server; no root."""

from __future__ import annotations

import pytest
from heroku_steps import Player, play, play_pushes, play_static, tutorial


pytestmark = pytest.mark.local


@pytest.fixture(scope="module")
def person(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mdn")
    person = Player(tutorial(folder / "library"), folder / "state")
    yield person
    person.types("nuages destroy --yes library")


@pytest.fixture(scope="module")
def url(person):
    return play(person, "nuages create library")


def test_the_lines_of_the_tutorial_work_with_nuages_for_heroku(url):
    assert url.startswith("http://localhost:")


def test_collectstatic_is_told_in_full_or_left_out(person, url):
    play_static(person, url)


def test_a_push_deploys_the_commit_and_nothing_else(person, url):
    play_pushes(person, url)
