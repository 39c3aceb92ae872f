"""A real Django behind the whole front, as a release serves it."""

import json
import urllib.error
import urllib.request

import pytest
from kept_site import KeptSite, RefusedError


pytestmark = pytest.mark.local

PROJECT = """
import os
from django.conf import settings
here = os.path.dirname(os.path.abspath(__file__))
settings.configure(
    DEBUG=False, ALLOWED_HOSTS=["localhost", "127.0.0.1"], ROOT_URLCONF=__name__, SECRET_KEY="x",
    STATIC_URL="/static/", MEDIA_URL="/media/", INSTALLED_APPS=["django.contrib.staticfiles"],
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ.get("DB", here + "/db")}},
)
from django.http import HttpResponse
from django.urls import path, re_path
def page(request, name=""): return HttpResponse("project " + name)
urlpatterns = [path("media/<path:name>", page)] if os.environ.get("PROTECTS") else []
urlpatterns += [re_path("^(.*)$", page)]  # a catch-all, as a CMS has
from django.core.wsgi import get_wsgi_application
application = get_wsgi_application()
"""


@pytest.fixture
def site(tmp_path):
    site = KeptSite(tmp_path)
    site.ensure()
    (tmp_path / "shared" / "static").mkdir(parents=True)
    (tmp_path / "shared" / "media").mkdir()
    (tmp_path / "shared" / "static" / "a.css").write_text("a{}")
    (tmp_path / "shared" / "media" / "a.txt").write_text("upload")
    yield site
    site.close()


def bring_up(site, domains=("localhost",), **env):
    shared = site.root / "shared"
    release = site.write_release(
        "v1", PROJECT, static_serve=str(shared / "static"), media_root=str(shared / "media"), domains=list(domains)
    )
    site.write_generation("v1", release, env=env)
    site.bring_live("v1")


def test_files_and_readiness_come_from_the_front_and_pages_from_the_project(site):
    bring_up(site)
    assert [site.get(path) for path in ("/static/a.css", "/media/a.txt", "/x")] == ["a{}", "upload", "project x"]
    assert json.loads(site.get("/-/ready"))["databases"] == {"default": "ok"}


def test_a_database_that_does_not_answer_makes_the_site_unready_but_alive(site):
    bring_up(site, DB="/nowhere/at/all")
    with pytest.raises(urllib.error.HTTPError) as refused:
        site.get("/-/ready")
    with refused.value as answer:
        assert (answer.code, json.loads(answer.read())["databases"]) == (503, {"default": "OperationalError"})
    assert json.loads(site.get("/-/live"))["status"] == "ok"


def test_uploads_that_the_project_answers_itself_are_left_to_it(site):
    bring_up(site, PROTECTS="1")
    assert site.get("/media/a.txt") == "project a.txt"


def test_a_host_that_the_project_does_not_allow_is_named(site):
    with pytest.raises(RefusedError) as refused:
        bring_up(site, domains=["shop.example"])
    assert refused.value.args[0].startswith("disallowed-host: ")
    assert "shop.example" in refused.value.args[1]
