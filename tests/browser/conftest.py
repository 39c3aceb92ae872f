"""One site of this machine, one dashboard of it and one Chromium for all tests of a file that a worker runs: each test takes the
site at whatever release it finds it, and leaves it serving."""

import chromium
import pytest
from dashboard_page import Page, served
from live_site import a_site


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    if chromium.missing():
        pytest.skip(chromium.missing())
    with a_site(tmp_path_factory.mktemp("site")) as site:
        site.write(**{"nuages.toml": "keep = 30\n"})
        site.up()
        site.nuages("config", "set", "API_TOKEN=canary-of-a-secret")
        yield site


@pytest.fixture(scope="module")
def link(site):
    with served(site) as link:
        yield link


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    with chromium.browser(tmp_path_factory.mktemp("profile")) as driver:
        yield driver


@pytest.fixture(scope="module")
def opened(site, link, driver):
    return Page(driver, link)


@pytest.fixture
def page(opened):
    """With a console that is clean before the test, and must be after it."""
    opened.console()
    yield opened
    assert opened.console() == []
