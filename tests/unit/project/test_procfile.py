"""Procfiles, as people write them and as they should not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nuages.project.procfile import parse_procfile


def test_names_kinds_and_commands_are_read():
    text = "# ours\nweb: gunicorn shop.wsgi\nworker: celery -A shop worker\nbeat: celery -A shop beat\nclock: python clock.py\nrelease: python manage.py migrate\n"
    found = parse_procfile(text)
    assert [(p.name, p.kind) for p in found.processes] == [
        ("web", "web"),
        ("worker", "worker"),
        ("beat", "scheduler"),
        ("clock", "scheduler"),
        ("release", "release"),
    ]
    assert found.errors == ()


def test_a_worker_with_an_embedded_beat_is_a_worker():
    assert parse_procfile("jobs: celery -A shop worker --beat").processes[0].kind == "worker"


def test_a_line_that_is_no_process_is_told_with_its_number_and_the_rest_counts():
    found = parse_procfile("web: gunicorn shop.wsgi\nwhat is this\nworker: x\n")
    assert [p.name for p in found.processes] == ["web", "worker"]
    assert found.errors == ("Procfile:2: expected `name: command`, found 'what is this'",)


def test_a_name_that_is_there_twice_is_told_and_the_last_one_counts():
    found = parse_procfile("web: a\nweb: b\n")
    assert found.processes[0].command == "b"
    assert "twice" in found.errors[0]


def test_lines_can_go_on_after_a_backslash():
    assert parse_procfile("web: gunicorn \\\n  shop.wsgi\n").processes[0].command.split() == [
        "gunicorn",
        "shop.wsgi",
    ]


@pytest.mark.parametrize("ending", ["\r\n", "\r", "\n"])
def test_every_kind_of_line_ending_is_read(ending):
    assert len(parse_procfile(f"\ufeffweb: a{ending}worker: b{ending}").processes) == 2


@given(st.text(max_size=400))
def test_no_text_breaks_the_reader_and_every_line_counts_or_is_told(text):
    found = parse_procfile(text)
    assert all(p.name and p.command and "\n" not in p.command for p in found.processes)
    assert all(error.startswith("Procfile:") for error in found.errors)
