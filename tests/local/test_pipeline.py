"""The steps of a deploy on this machine: what fails stops it with the site as it was, and what is skipped stops nothing."""

import json

import pytest
from live_site import REQUIREMENTS, SETTINGS, a_site
from post_box import post_box


pytestmark = pytest.mark.local

CANARY = "canary-of-production-4711"
TESTS = """
import json, os
from django.db import connection
from django.test import TestCase
from books.models import Book

class Shop(TestCase):
    def test_a_book_is_kept(self):
        Book.objects.create(title="x")
        told = {"environ": dict(os.environ), "settings": {k: str(v) for k, v in connection.settings_dict.items()}}
        open(SEEN, "w").write(json.dumps({**told, "vendor": connection.vendor}))
        self.assertEqual(Book.objects.count(), BOOKS)
"""
NEEDY = """
import os
import dj_database_url
STRIPE_SECRET_KEY = os.environ["STRIPE_SECRET_KEY"]
if os.environ.get("DATABASE_URL"):
    DATABASES = {"default": dj_database_url.config()}
"""


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    with a_site(tmp_path_factory.mktemp("pipeline")) as site:
        site.write(**{"requirements.txt": REQUIREMENTS + "dj-database-url\n", "shop/settings.py": SETTINGS + NEEDY})
        site.nuages("config", "set", f"STRIPE_SECRET_KEY={CANARY}")
        site.up()
        yield site


@pytest.fixture
def site(live):
    live.write(
        **{"books/tests.py": TESTS.replace("SEEN", repr(str(live.data / "seen.json"))).replace("BOOKS", "1"), "nuages.toml": ""}
    )
    yield live
    live.write(**{"nuages.toml": ""})


def failing_tests(site):
    text = (site.root / "books/tests.py").read_text()
    site.write(**{"books/tests.py": text.replace("count(), 1)", "count(), 2)")})


def test_a_failing_test_stops_the_deploy_with_the_end_of_its_output(site):
    number = site.status()["release"]
    failing_tests(site)
    site.version("untested").write(**{"nuages.toml": '[pipeline]\ntests = "auto"\n'})
    said = site.refused("up", "--detach")
    assert "the tests failed (status 1); nothing was changed" in said
    assert "AssertionError: 1 != 2" in said
    assert site.status()["release"] == number

    site.nuages("up", "--detach", "--skip", "tests")
    assert "untested" in site.get()


def test_what_has_passed_is_not_run_again(site):
    site.version("tested").write(**{"nuages.toml": '[pipeline]\ntests = "auto"\n'})
    assert "Ran 1 test" in site.nuages("test").stdout
    seen = site.data / "seen.json"
    before = seen.stat().st_mtime_ns
    assert "these files passed before" in site.nuages("up", "--detach").stderr
    assert seen.stat().st_mtime_ns == before
    site.nuages("up", "--detach", "--rerun-tests")
    assert seen.stat().st_mtime_ns > before


def test_the_tests_get_neither_productions_secrets_nor_its_database(site):
    site.nuages("test", "--rerun")
    seen = json.loads((site.data / "seen.json").read_text())
    assert CANARY not in json.dumps(seen)
    assert len(seen["environ"]["STRIPE_SECRET_KEY"]) > 20, "a stand-in, for the settings need one"
    assert str(site.state) not in json.dumps(seen["settings"])
    assert "NUAGES_RELEASE" not in seen["environ"]


def test_a_smoke_test_that_fails_leaves_the_old_release_serving(site):
    before = site.get()
    site.version("smoked").write(**{"nuages.toml": '[pipeline]\nsmoke = ["/books 200", "/ contains Nobody wrote this"]\n'})
    assert "GET / answered 200, and its page does not hold 'Nobody wrote this'" in site.refused("up", "--detach")
    assert site.get() == before
    site.nuages("up", "--detach", "--skip", "smoke")
    assert "smoked" in site.get()


def test_a_live_site_that_does_not_answer_as_it_should_goes_back(site):
    before, number = site.get(), int(site.status()["release"])
    site.version("wrong").write(**{"nuages.toml": '[pipeline]\nsmoke_live = ["/ contains Nobody wrote this"]\n'})
    said = site.refused("up", "--detach")
    assert f"v{number} is live again, as v{number + 2}" in said
    assert site.get() == before


def test_a_hook_that_fails_before_the_build_stops_it_and_another_one_is_called(site):
    told = site.data / "told"
    hooks = f'before_build = ["false"]\non_failure = ["sh -c \'echo $NUAGES_ERROR > {told}\'"]\n'
    site.version("hooked").write(**{"nuages.toml": f"[hooks]\n{hooks}"})
    assert "the hook before_build failed with status 1" in site.refused("up", "--detach")
    assert told.read_text() == "false: the hook before_build failed with status 1\n"


def test_what_a_hook_writes_before_the_build_is_part_of_it(site):
    line = "sh -c 'echo VERSION = 99 > books/version.py'"
    site.write(**{"nuages.toml": f'[hooks]\nbefore_build = ["{line}"]\n'})
    site.nuages("up", "--detach")
    assert "version 99" in site.get()


def test_a_webhook_hears_of_a_deploy_and_a_hanging_one_holds_up_nothing(site):
    with post_box() as box:
        site.nuages("config", "set", f"NOTIFY_WEBHOOK={box.url}")
        site.version("told").write(**{"nuages.toml": '[notify]\nwebhook = ["NOTIFY_WEBHOOK"]\n'})
        done = site.nuages("up", "--detach")
        begun, ended = box.texts()
        assert "begins" in begun
        assert "is live at" in ended
        assert CANARY not in json.dumps(box.posts)
        assert box.url not in done.stdout + done.stderr
        box.hangs = 30
        site.version("untold")
        assert "gave no answer within 5 s" in site.nuages("up", "--detach").stderr
        assert "untold" in site.get()
