"""The site's own page of Nuages: a superuser reads it, for everybody else the project answers."""

import json

import pytest
import shipped_runtime  # noqa: F401


@pytest.fixture
def page(tmp_path):
    from nuages_runtime.page import Page

    file = tmp_path / "facts.json"
    file.write_text(json.dumps({"site": "shop", "state": "running"}))
    return Page("/-/nuages/", str(file), allowed=lambda cookie: cookie == "sessionid=of-ada")


def ask(page, name="", method="GET", cookie="sessionid=of-ada", **environ):
    return page.answer(method, "/-/nuages/" + name, {"HTTP_COOKIE": cookie, **environ})


@pytest.mark.parametrize("name", ["", "page.css", "page.js", "charts.js", "icon.svg", "facts.json"])
def test_a_superuser_gets_the_page_and_its_parts(page, name):
    answer = ask(page, name)
    headers = dict(answer.headers)
    assert answer.status == 200
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Frame-Options"] == "DENY"


@pytest.mark.parametrize("name", ["", "page.js", "facts.json"])
def test_for_anybody_else_the_project_answers(page, name):
    assert ask(page, name, cookie="") is None
    assert ask(page, name, cookie="sessionid=of-bob") is None


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_nothing_is_changed_by_it(page, method):
    assert ask(page, method=method) is None
    assert ask(page, "api/do", method=method) is None


@pytest.mark.parametrize(
    "name", ["../hook.py", "dashboard/index.html", "refused.html", "facts.json/", "api/stream", "%2e%2e/hook.py"]
)
def test_no_path_leads_to_a_disk(page, name):
    assert ask(page, name) is None


def test_another_site_can_load_no_part_of_it(page):
    assert ask(page, "facts.json", HTTP_SEC_FETCH_SITE="cross-site") is None
    assert ask(page, "page.js", HTTP_SEC_FETCH_SITE="same-site") is None


def test_the_facts_say_that_they_are_only_to_be_read(page):
    assert json.loads(ask(page, "facts.json").body)["readonly"] is True
    assert ask(page, "facts.json", method="HEAD").body == b""


def test_before_root_has_written_anything_that_is_said(page, tmp_path):
    (tmp_path / "facts.json").unlink()
    told = json.loads(ask(page, "facts.json").body)
    assert told["verdict"] == "unknown"
    assert "not written" in told["attention"][0]["what"]


def test_without_a_path_in_the_policy_there_is_no_page():
    from nuages_runtime.page import from_policy

    assert from_policy({}) is None
    assert from_policy({"dashboard": {"path": "", "file": ""}}) is None


def test_where_django_fails_nobody_is_let_in():
    from nuages_runtime.page import of_a_superuser

    assert of_a_superuser("sessionid=x") is False
    assert of_a_superuser('sessionid="\\') is False
