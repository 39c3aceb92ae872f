"""When a line was written, and how grave it is."""

from __future__ import annotations

import re

import pytest

from nuages.errors import UsageError
from nuages.insight.log_lines import gravity_of, stamp_of, understood, wanted


ERROR, WARNING, INFO = 40, 30, 20


@pytest.mark.parametrize(
    ("line", "gravity"),
    [
        ("2026-11-20T12:00:00.123Z WARNING django.request [c0ffee] Not Found: /x", WARNING),
        ('{"time": "2026-11-20T12:00:00Z", "level": "ERROR", "logger": "shop", "message": "INFO is in the message"}', ERROR),
        ("[2026-11-20 12:00:00 +0000] [1234] [INFO] Booting worker with pid: 1234", INFO),
        ("[2026-11-20 12:00:00,123: ERROR/ForkPoolWorker-1] Task shop.send raised", ERROR),
        ("2026/11/20 12:00:00 [error] 77#77: *1 upstream timed out", ERROR),
        ("2026-11-20T12:00:00Z GET /error 200 2.7ms", INFO),
        ('{"no": "level"}', INFO),
        ('{"torn', INFO),
    ],
)
def test_a_line_tells_how_grave_it_is(line, gravity):
    assert gravity_of(line) == gravity


def test_a_traceback_is_as_old_and_as_grave_as_the_line_that_it_belongs_to():
    said = [
        "2026-11-20T12:00:00Z ERROR shop failed",
        "Traceback (most recent call last):",
        '  File "x.py"',
        "2026-11-20T12:00:01Z INFO shop fine",
    ]
    assert [(line.at, line.gravity) for line in understood(said)] == [("2026-11-20 12:00:00", ERROR)] * 3 + [
        ("2026-11-20 12:00:01", INFO)
    ]


def test_time_pattern_and_level_are_asked_together():
    said = ["2026-11-20T12:00:00Z ERROR old", "2026-11-20T13:00:00Z ERROR new", "2026-11-20T13:00:00Z INFO new"]
    keep = wanted("2026-11-20 12:30", "new", "error")
    assert [line.text for line in understood(said) if keep(line)] == said[1:2]
    assert wanted(None, None, None).all


def test_json_and_text_have_one_form_of_time():
    assert stamp_of('{"time": "2026-11-20T12:00:00.5Z", "level"') == stamp_of("2026-11-20 12:00:00,5 x") == "2026-11-20 12:00:00"


@pytest.mark.parametrize("words", [("yesterday", None), (None, "(")])
def test_what_is_no_time_or_pattern_is_refused(words):
    with pytest.raises(UsageError, match=re.escape(next(filter(None, words)))):
        wanted(*words, None)
