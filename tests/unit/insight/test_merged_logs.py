"""Logs of several hosts become one."""

from __future__ import annotations

from nuages.cli.server_logs import Merged
from nuages.insight.log_lines import wanted


def test_what_was_there_before_is_put_in_order_and_what_comes_is_shown_at_once(capsys):
    merged = Merged(wanted(None, None, None))
    merged.tell("web-1 web", "2026-11-20T12:00:02Z INFO shop second")
    merged.tell("web-2 web", "2026-11-20T12:00:01Z INFO shop first")
    assert capsys.readouterr().out == ""
    merged.begin()
    merged.tell("web-2 web", "2026-11-20T12:00:00Z INFO shop late")
    assert [line.split()[-1] for line in capsys.readouterr().out.splitlines()] == ["first", "second", "late"]


def test_a_traceback_of_one_host_is_not_taken_for_the_others(capsys):
    merged = Merged(wanted(None, None, "error"))
    merged.begin()
    merged.tell("web-1 web", "2026-11-20T12:00:00Z ERROR shop failed")
    merged.tell("web-2 web", "2026-11-20T12:00:00Z INFO shop fine")
    merged.tell("web-2 web", "  a second line of it")
    merged.tell("web-1 web", "Traceback (most recent call last):")
    told = capsys.readouterr().out.splitlines()
    assert [line.rpartition("web ")[2].strip() for line in told] == [
        "2026-11-20T12:00:00Z ERROR shop failed",
        "Traceback (most recent call last):",
    ]
