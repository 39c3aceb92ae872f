"""Uploads that the project looks after itself: the whole folder, or a part of it."""

from __future__ import annotations

import sys
import types

import pytest
import shipped_runtime  # noqa: F401 - makes nuages_runtime importable
from django.conf import settings
from django.test import override_settings
from django.urls import include, path, re_path
from django.views.static import serve


@pytest.fixture
def urls():
    """urls(path(...), ...) puts these URLs in force."""
    if not settings.configured:
        settings.configure(ROOT_URLCONF="media_views_urls", SECRET_KEY="a", ALLOWED_HOSTS=["*"])
    made = []

    def use(*patterns):
        module = types.ModuleType("media_views_urls")
        module.urlpatterns = list(patterns)
        sys.modules["media_views_urls"] = module
        made.append(override_settings(ROOT_URLCONF="media_views_urls"))
        made[-1].enable()

    yield use
    for override in made:
        override.disable()
    sys.modules.pop("media_views_urls", None)


def view(request, **words):
    """A view of the project."""


def media(tmp_path):
    from nuages_runtime.media import Media

    for name in ("open", "private"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.txt").write_text(name)
    return Media(str(tmp_path), "/media/")


def test_a_view_for_a_part_of_the_folder_is_asked_for_that_part_alone(urls, tmp_path):
    urls(path("media/private/<path:name>", view), re_path(r"^media/(?P<path>.*)$", serve))
    uploads = media(tmp_path)

    assert uploads.answer("GET", "/media/private/a.txt", {}) is None
    found = uploads.answer("GET", "/media/open/a.txt", {})
    assert found.status == 200
    found.file.close()


def test_without_views_in_the_folder_everything_is_served(urls, tmp_path):
    urls(path("<path:anything>", view), re_path(r"^media/(?P<path>.*)$", serve))

    found = media(tmp_path).answer("GET", "/media/private/a.txt", {})
    assert found.status == 200
    found.file.close()


@pytest.mark.parametrize(
    ("patterns", "answer"),
    [
        ((path("media/private/<path:name>", view),), True),
        ((path("media/", include([path("<path:name>", view)])),), True),
        ((re_path(r"^media/(?P<path>.*)$", serve),), False),
        ((path("", include([path("shop/", view)])), path("<path:rest>", view)), False),
    ],
)
def test_a_proxy_is_told_whether_the_project_has_views_in_the_folder(urls, patterns, answer):
    from nuages_runtime.site_urls import has_routes_below

    urls(*patterns)

    assert has_routes_below("/media/") is answer


def test_whether_favicon_and_robots_are_routed_is_known(urls):
    from nuages_runtime.probe_facts import is_routed

    urls(path("robots.txt", view))

    assert is_routed("/robots.txt")
    assert not is_routed("/favicon.ico")
