"""errors and doctor, as they speak to people and to machines."""

import json
import shutil
import time
from pathlib import Path

import pytest

from nuages.errors import StateError, UsageError


RUNTIME = Path(__file__).parents[2] / "src" / "nuages" / "runtime"


def group(count=3, release=2, **more):
    now = time.time()
    plain = {
        "type": "shop.errors.OutOfStock",
        "where": "order in shop/views.py",
        "message": "none left",
        "resolved": None,
        "reopened": 0,
    }
    counts = {
        "count": count,
        "releases": {str(release): count},
        "processes": {"web": count},
        "hosts": {"web-1": count},
        "hours": {},
    }
    return {**plain, **counts, "first": now - 7200, "last": now - 60, "first_release": release, "first_build": "b2", **more}


@pytest.fixture
def book(deployed):
    """The live release has the program, and its processes have written two kinds."""
    runtime = deployed.current / "runtime" / "nuages_runtime"
    runtime.mkdir(parents=True)
    shutil.copy(RUNTIME / "errorbook.py", runtime)
    folder = deployed / "errors"
    folder.mkdir(mode=0o700)
    (folder / "groups.json").write_text(json.dumps({"aaaa1111": group(), "bbbb2222": group(9, 1, resolved=5.0)}))
    (folder / "traces.jsonl").write_text(
        json.dumps({"id": "aaaa1111", "at": 5, "text": "Traceback: line", "request": "GET /order"}) + "\n"
    )
    return folder


def test_open_errors_are_listed_with_the_release_that_brought_them(nuages, book):
    lines = nuages("errors").output.splitlines()
    assert lines[1].split("  ")[0] == "aaaa1111"
    assert "v2 (live)" in lines[1]
    assert "OutOfStock: none left" in lines[1]
    assert "bbbb2222" not in nuages("errors").output
    assert "1 of these came with v2" in nuages("errors").output
    assert "(resolved)" in nuages("errors", "--all").output
    assert nuages("errors", "--since", "30s").output.startswith("no errors within 30s")
    assert [each["id"] for each in json.loads(nuages("errors", "--json").output)] == ["aaaa1111"]


def test_one_is_shown_in_full_by_the_beginning_of_its_id(nuages, book):
    told = nuages("errors", "show", "aaaa").output
    assert "Traceback: line" in told
    assert "GET /order" in told
    assert "made room" in nuages("errors:show", "bbbb").output
    assert isinstance(nuages("errors", "show", "cccc").exception, UsageError)


def test_one_is_resolved_and_opened_again(nuages, book):
    assert nuages("errors", "resolve", "aaaa").output.startswith("aaaa1111 is resolved")
    assert nuages("errors").output == "no errors; resolved ones: --all\n"
    assert nuages("errors", "reopen", "aaaa").output == "aaaa1111 is open again\n"
    assert "aaaa1111" in nuages("errors").output


def test_a_release_of_an_older_nuages_has_no_book_and_that_is_said(nuages, deployed):
    error = nuages("errors").exception
    assert isinstance(error, StateError)
    assert error.hint.startswith("nuages up")


def test_a_time_that_is_none_is_refused(nuages, book):
    assert isinstance(nuages("errors", "--since", "yesterday").exception, UsageError)


def test_doctor_knows_the_site_and_its_domains_only(nuages, deployed):
    error = nuages("doctor", "elsewhere.example").exception
    assert isinstance(error, UsageError)
    assert error.hint == "known here: shop"
    assert isinstance(nuages("doctor", "shop", "--resolve", "nonsense").exception, UsageError)


def test_doctor_of_a_site_that_does_not_run_names_that(nuages, deployed):
    result = nuages("doctor", "shop", "--json")
    assert result.exit_code == 2
    assert json.loads(result.output)["broken"]["name"] == "release"
