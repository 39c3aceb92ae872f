"""The steps of a deploy on a server with visitors: each that fails leaves the site as it was, and people hear of it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import smtp_sink
from deploy_key import DeployKey
from deployed import Deployed, eventually
from live_site import MODELS
from post_box import post_box


CANARY = "canary-of-production-4711"
TESTS = """
import json
import os

from django.db import connection
from django.test import TestCase

from books.models import Book


class Shop(TestCase):
    def test_a_book_is_kept(self):
        Book.objects.create(title="x")
        told = {"environ": dict(os.environ), "settings": {k: str(v) for k, v in connection.settings_dict.items()}}
        with open(SEEN, "w") as file:
            json.dump({**told, "vendor": connection.vendor}, file)
        self.assertEqual(Book.objects.count(), BOOKS)
"""
MIGRATION = """
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("books", "0001_initial")]
    operations = [migrations.AddField("Book", "note", models.TextField(default="", db_default=""))]
"""
MODEL = """
from django.db import models


class Book(models.Model):
    title = models.CharField(max_length=200)
    note = models.TextField(default="", db_default="")
"""


class Piped(Deployed):
    """The shop with every step of the pipeline, each of which can be made to fail."""

    def declare(self, **say: object) -> None:
        lines = {"tests": '"auto"', "smoke": '["/ contains books", "/version 200"]', "smoke_live": '["/version 200"]', **say}
        pipeline = "".join(
            f"{name} = {value}\n" for name, value in lines.items() if name in ("tests", "smoke", "smoke_live", "audit")
        )
        hooks = "".join(
            f"{name} = [{json.dumps(say.get(name, self.hook(name)))}]\n"
            for name in ("before_build", "before_migrate", "after_switch", "on_failure")
        )
        notify = 'webhook = ["NOTIFY_WEBHOOK"]\nmail = ["ops@shop.example"]\non = ["start", "deploy", "rollback", "config", "failure"]\n'
        self.toml(tables=f"\n[pipeline]\n{pipeline}\n[hooks]\n{hooks}\n[notify]\n{notify}")

    def hook(self, name: str, status: int = 0) -> str:
        return f"sh -c 'env > {self.folder}/{name}.env; exit {status}'"

    def hooked(self, name: str) -> dict[str, str]:
        path = self.folder / f"{name}.env"
        if not path.exists():
            return {}
        told = dict(line.split("=", 1) for line in path.read_text().splitlines() if "=" in line)
        path.unlink()
        return told

    def tested(self, books: int = 1) -> None:
        path = json.dumps(str(self.folder / "seen.json"))
        self.project.write(**{"books/tests.py": TESTS.replace("SEEN", path).replace("BOOKS", str(books))})

    def commit(self, subject: str) -> None:
        git = ("git", "-c", "user.name=ada", "-c", "user.email=ada@shop.example")
        subprocess.run([*git, "add", "-A"], cwd=self.root, check=True)
        subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", subject], cwd=self.root, check=True)

    def mails(self) -> list[str]:
        return self.host.must("cat /var/mails/*.eml 2>/dev/null || true").split("Message-ID")[1:]  # one part for each


@pytest.fixture(scope="module")
def piped(lab, tmp_path_factory):
    """Deployed once, without a word of the pipeline; it has a mail server on its host."""
    (host,) = lab.up("pipe-1", disk="4G")
    shop = Piped(tmp_path_factory.mktemp("piped"), host)
    host.must("cat > /usr/local/bin/smtp_sink.py", stdin=Path(smtp_sink.__file__).read_text())
    host.must("systemd-run --unit=sink python3 /usr/local/bin/smtp_sink.py 2525 /var/mails")
    subprocess.run(["git", "init", "-q"], cwd=shop.root, check=True)
    shop.tested()
    shop.commit("First")
    secrets = (f"STRIPE_SECRET_KEY={CANARY}", "EMAIL_URL=smtp://127.0.0.1:2525", "DEFAULT_FROM_EMAIL=shop@shop.example")
    shop.nuages("config", "set", *secrets)
    shop.nuages("deploy")
    return shop


@pytest.fixture
def pipe(piped):
    for told in piped.folder.glob("*.env"):
        told.unlink()
    (piped.root / "books/migrations/0002_note.py").unlink(missing_ok=True)
    piped.project.write(**{"books/models.py": MODELS})
    with post_box() as box:
        piped.box = box
        piped.environ["NOTIFY_WEBHOOK"] = box.url
        piped.declare()
        piped.tested()
        yield piped
        piped.environ.clear()


def test_a_deploy_runs_every_step_and_tells_of_what_changed(pipe):
    pipe.project.version("all-steps")
    pipe.commit("Every step <!channel>")

    number = pipe.release()

    assert pipe.version() == "all-steps"
    begun, done = pipe.box.texts()
    assert begun.startswith(f"shop: deploy of v{number} begins")
    assert done == f"shop: v{number} is live at https://shop.example/"
    assert "Every step &lt;!channel&gt;" in pipe.box.posts[1]["attachments"][0]["text"]
    eventually(lambda: any("is live at" in mail for mail in pipe.mails()))
    assert pipe.hooked("before_build")["NUAGES_HOSTS"] == "pipe-1"
    after = pipe.hooked("after_switch")
    assert (after["NUAGES_NUMBER"], after["NUAGES_URL"]) == (str(number), "https://shop.example/")
    assert not pipe.hooked("before_migrate"), "no migration was pending"
    assert not pipe.hooked("on_failure")


def test_no_secret_reaches_tests_hooks_or_messages(pipe):
    pipe.project.version("no-secret")
    pipe.commit("No secret")
    pipe.nuages("deploy", "--rerun-tests")

    seen = json.loads((pipe.folder / "seen.json").read_text())
    hooks = [pipe.hooked("before_build"), pipe.hooked("after_switch")]
    for told in (seen["environ"], seen["settings"], *hooks, pipe.box.posts, pipe.mails()):
        assert CANARY not in json.dumps(told)
        assert "/var/run/postgresql" not in json.dumps(told), "production's database"
        assert "NUAGES_SECRET_KEY" not in json.dumps(told)
    assert all("of-the-webhook" not in mail for mail in pipe.mails())
    assert seen["settings"]["NAME"] != "shop"


def stopped_by_tests(pipe):
    pipe.tested(books=2)
    return "the tests failed"


def stopped_before_build(pipe):
    pipe.declare(before_build=pipe.hook("before_build", status=3))
    return "the hook before_build failed with status 3"


def stopped_before_migrate(pipe):
    pipe.declare(before_migrate=pipe.hook("before_migrate", status=4))
    pipe.project.write(**{"books/models.py": MODEL, "books/migrations/0002_note.py": MIGRATION})
    return "the hook before_migrate failed with status 4"


def stopped_by_smoke(pipe):
    pipe.declare(smoke='["/ contains Nobody wrote this"]')
    return "its page does not hold 'Nobody wrote this'"


@pytest.mark.parametrize("fails", [stopped_by_tests, stopped_before_build, stopped_by_smoke, stopped_before_migrate])
def test_what_stops_a_deploy_leaves_the_site_as_it_was_and_tells_why(pipe, fails):
    before, number = pipe.version(), pipe.status()["release"]
    pipe.project.version(fails.__name__)
    reason = fails(pipe)

    with pipe.traffic() as seen:
        said = pipe.refused()
        seen.wait_for(lambda report: report.ok > 50)

    assert reason in said
    assert pipe.version() == before
    assert pipe.status()["release"] == number
    pipe.in_order()
    assert seen.lost == 0, seen
    assert seen.releases == [before]
    assert reason in pipe.hooked("on_failure")["NUAGES_ERROR"]
    assert pipe.box.texts()[-1] == f"shop: deploy of v{number + 1} failed"
    assert reason in pipe.box.posts[-1]["attachments"][0]["text"]


def test_nothing_was_written_where_nothing_had_begun(pipe):
    pipe.tested(books=2)
    before = pipe.host.must("cat /srv/shop/journal.jsonl | wc -l; ls /srv/shop/releases /srv/shop/numbered")

    pipe.refused()

    assert pipe.host.must("cat /srv/shop/journal.jsonl | wc -l; ls /srv/shop/releases /srv/shop/numbered") == before


def test_a_step_that_is_skipped_stops_nothing(pipe):
    pipe.tested(books=2)
    pipe.declare(smoke='["/ contains Nobody wrote this"]', before_build=pipe.hook("before_build", status=3))
    pipe.project.version("skipped")

    pipe.release("--skip", "tests,smoke,hooks,notify")

    assert pipe.version() == "skipped"
    assert pipe.box.posts == []
    assert not pipe.hooked("before_build")


def test_a_live_site_that_does_not_answer_as_it_should_goes_back(pipe):
    before, number = pipe.version(), pipe.status()["release"]
    pipe.declare(smoke_live='["/version contains Nobody wrote this"]')
    pipe.project.version("wrong")

    with pipe.traffic() as seen:
        said = pipe.refused()
        seen.wait_for(lambda report: report.ok > 50)

    assert "GET /version answered 200, and its page does not hold 'Nobody wrote this'" in said
    assert f"what was done has been taken back; v{number} still serves" in said
    assert (pipe.version(), pipe.status()["release"]) == (before, number)
    assert seen.lost == 0, seen
    assert set(seen.releases) <= {before, "wrong"}
    pipe.in_order()
    assert pipe.box.texts()[-1].endswith("failed")
    assert pipe.hooked("on_failure")


def test_a_hook_after_the_switch_takes_nothing_back(pipe):
    pipe.declare(after_switch=pipe.hook("after_switch", status=9))
    pipe.project.version("after")

    done = pipe.nuages("deploy")

    assert "hook after_switch failed with status 9" in done.stderr
    assert pipe.version() == "after"


def test_news_that_can_not_be_delivered_stops_nothing(pipe):
    pipe.box.status = 500
    pipe.host.must("systemctl stop sink")
    pipe.project.version("untold")

    done = pipe.nuages("deploy")

    assert "notify NOTIFY_WEBHOOK: not delivered: 127.0.0.1 answered 500" in done.stderr
    assert "notify by mail: not delivered: " in done.stderr
    assert pipe.version() == "untold"
    assert pipe.box.url not in done.stdout + done.stderr
    pipe.host.must("systemd-run --unit=sink python3 /usr/local/bin/smtp_sink.py 2525 /var/mails")


def test_a_change_of_configuration_is_told_by_its_names(pipe):
    pipe.nuages("config", "set", f"GREETING={CANARY}-2")

    fields = {field["title"]: field["value"] for field in pipe.box.posts[-1]["attachments"][0]["fields"]}
    assert fields["configuration"] == "GREETING"
    assert CANARY not in json.dumps(pipe.box.posts)


def test_a_migration_waits_for_its_hook_and_is_told(pipe):
    pipe.project.write(**{"books/models.py": MODEL, "books/migrations/0002_note.py": MIGRATION})
    pipe.commit("A note")

    pipe.nuages("deploy")

    assert pipe.hooked("before_migrate")["NUAGES_HOOK"] == "before_migrate"
    fields = {field["title"]: field["value"] for field in pipe.box.posts[-1]["attachments"][0]["fields"]}
    assert fields["migrations"] == "books.0002_note"


def test_a_deploy_key_goes_along_the_same_line(pipe, tmp_path):
    key = DeployKey(pipe, tmp_path)
    try:
        pipe.project.version("by-key")
        done = key.nuages("deploy")
        assert pipe.version() == "by-key"
        assert "not delivered" not in done.stderr, done.stderr
        assert pipe.hooked("after_switch")
        pipe.declare(smoke_live='["/version contains Nobody wrote this"]')
        pipe.project.version("wrong")
        done = key.nuages("deploy", check=False)
        assert "what was done has been taken back" in done.stderr
        assert pipe.version() == "by-key"
        pipe.in_order()
    finally:
        key.leave()
