"""kill -9 at any step of a deploy: the site goes on answering, the next `nuages up` ends well, nothing is left over."""

import contextlib
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest


pytestmark = [pytest.mark.local, pytest.mark.slow]
PACKAGE = Path(__file__).parents[2] / "src" / "nuages"
NUAGES = (sys.executable, "-c", "from nuages.cli import main; main()")
FILES = {
    "manage.py": """
import os, sys
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
from django.core.management import execute_from_command_line
execute_from_command_line(sys.argv)
""",
    "shop/__init__.py": "",
    "shop/settings.py": """
from pathlib import Path
BASE_DIR = Path(__file__).resolve().parent.parent
SECRET_KEY = "django-insecure-for-tests"
DEBUG = True
ALLOWED_HOSTS = []
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "django.contrib.staticfiles", "catalog"]
MIDDLEWARE = ["django.middleware.security.SecurityMiddleware", "django.middleware.common.CommonMiddleware"]
ROOT_URLCONF = "shop.urls"
WSGI_APPLICATION = "shop.wsgi.application"
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "db.sqlite3"}}
STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "assets"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
""",
    "shop/wsgi.py": """
import os
from django.core.wsgi import get_wsgi_application
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
application = get_wsgi_application()
""",
    "catalog/__init__.py": "",
    "catalog/models.py": "from django.db import models\n\n\nclass Book(models.Model):\n    title = models.CharField(max_length=20)\n",
    "catalog/migrations/__init__.py": "",
    "catalog/migrations/0001_initial.py": """
from django.db import migrations, models

class Migration(migrations.Migration):
    initial = True
    operations = [migrations.CreateModel("Book", [
        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
        ("title", models.CharField(max_length=20)),
    ])]
""",
    "assets/site.css": "body { color: black }\n",
    "requirements.txt": "django>=5.2,<5.3\n",
    "nuages.toml": '[serve]\ndrain = 3\n[checks.silence]\n"caches.N001" = "a test"\n',
}
URLS = """
from catalog.models import Book
from django.http import HttpResponse
from django.urls import path

def page(request):
    Book.objects.count()
    return HttpResponse("release {}")

urlpatterns = [path("", page)]
"""
FIELD = """
from django.db import migrations, models

class Migration(migrations.Migration):
    dependencies = [("catalog", "{before}")]
    operations = [migrations.AddField("book", "field_{number}", models.CharField(max_length=20, null=True))]
"""


class Shop:
    """A tiny project with a migration in each release, deployed by the real program."""

    def __init__(self, folder):
        self.root, self.data = folder / "shop", folder / "data"
        self.number, self.last_migration = 0, "0001_initial"
        self.port = free_port()
        self.env = {k: v for k, v in os.environ.items() if k not in ("DJANGO_SETTINGS_MODULE", "PYTHONPATH", "NUAGES_RELEASE")}
        # A copy of the program: whoever edits it while this runs would change what a release is made of.
        shutil.copytree(PACKAGE, folder / "program" / "nuages", ignore=shutil.ignore_patterns("__pycache__"))
        self.env |= {"XDG_DATA_HOME": str(self.data), "PYTHONPATH": str(folder / "program")}
        for name, text in FILES.items():
            self.write(name, text)

    def write(self, name, text):
        (self.root / name).parent.mkdir(parents=True, exist_ok=True)
        (self.root / name).write_text(text)

    def change(self):
        """The next release: another page, another static file, one more column."""
        self.number += 1
        self.write("shop/urls.py", URLS.format(self.number))
        self.write("assets/site.css", f"body {{ order: {self.number} }}\n")
        models = (self.root / "catalog/models.py").read_text()
        self.write("catalog/models.py", f"{models}    field_{self.number} = models.CharField(max_length=20, null=True)\n")
        name = f"{self.number + 1:04}_field_{self.number}"
        self.write(f"catalog/migrations/{name}.py", FIELD.format(before=self.last_migration, number=self.number))
        self.last_migration = name

    def start(self, *words):
        return subprocess.Popen(
            [*NUAGES, "-C", str(self.root), *words],
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, *words, expect=(0,)):
        with self.start(*words) as running:
            said, _ = running.communicate(timeout=170)
        assert running.returncode in expect, said
        return said

    def up(self):
        return self.run("up", "--detach", "--port", str(self.port), "--no-check")

    @property
    def state(self):
        return self.data / "nuages" / "shop"

    def journal(self):
        path = self.state / "journal.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def page(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=10) as response:
            return response.read().decode()

    def live(self):
        return int((self.state / "live").readlink().name.removeprefix("v"))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def descendants(pid):
    listed = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout.split()
    parents = list(zip(map(int, listed[::2]), map(int, listed[1::2]), strict=True))
    found = [pid]
    for one in found:
        found += [child for child, parent in parents if parent == one]
    return found


def kill_with_agent(running, state):
    """The program and its agent die at once; what the supervisor holds is no descendant of theirs by then."""
    keeper = {p for p in descendants(running.pid) if "ctl.py" in command_of(p) or str(state / "venvs") in command_of(p)}
    for pid in [p for p in descendants(running.pid) if p not in keeper]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def command_of(pid):
    return subprocess.run(["ps", "-o", "args=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout


@contextlib.contextmanager
def asking(shop):
    """Asks without a pause; yields the list of what went wrong."""
    stop, failures = threading.Event(), []

    def ask():
        while not stop.is_set():
            try:
                assert shop.page().startswith("release ")
            except (OSError, AssertionError) as error:
                failures.append(f"{time.strftime('%X')} {error!r}")
            time.sleep(0.02)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield failures
    finally:
        stop.set()
        thread.join()


def kill_at(shop, step, how):
    """Run `up` and kill it as the journal says that this step of it begins; returns what had begun."""
    before = len(shop.journal())
    running = shop.start("up", "--detach", "--port", str(shop.port), "--no-check")
    try:
        while running.poll() is None:
            begun = [line["step"] for line in shop.journal()[before:] if line["state"] == "begin"]
            if len(begun) >= step:
                how(running)
                return begun
            time.sleep(0.002)
        return []
    finally:
        running.wait(60)
        running.stdout.close()


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    shop = Shop(tmp_path_factory.mktemp("interrupted"))
    shop.change()
    try:
        shop.up()
        yield shop
    finally:
        shop.run("down", expect=(0, 1))


def deploy_again(shop):
    """An agent that outlived its program may still be at it: then the lock says so, and later it is free."""
    deadline = time.monotonic() + 60
    while True:
        with shop.start("up", "--detach", "--port", str(shop.port), "--no-check") as running:
            said, _ = running.communicate(timeout=120)
        if running.returncode == 0:
            return said
        assert "has been running" in said, said
        assert time.monotonic() < deadline, said
        time.sleep(0.5)


def settled(shop):
    """A deploy that was killed once it had switched leaves the old generation to drain by itself."""
    deadline = time.monotonic() + 30
    while True:
        generations = json.loads(shop.run("ps", "--json"))
        if "draining" not in [g["state"] for g in generations.values()] or time.monotonic() > deadline:
            return generations
        time.sleep(0.5)


def assert_whole(shop):
    """The new release answers, one generation is there and it is live, and no file of the interrupted deploy is left."""
    generations = settled(shop)
    assert shop.page() == f"release {shop.number}"
    assert [g["state"] for g in generations.values()] == ["live"]
    assert [g["number"] for g in generations.values()] == [shop.live()]
    assert max(int(p.name[1:]) for p in (shop.state / "numbered").iterdir()) == shop.live()
    assert [p.name for p in (shop.state / "run" / "generations").iterdir()] == list(generations)
    assert not (shop.state / "lock.json").exists()
    assert not list(shop.state.rglob("*.partial"))


STEPS = range(1, 10)  # as many as a deploy of this project has


@pytest.mark.parametrize("step", STEPS)
def test_killed_at_any_step_the_site_answers_and_the_next_up_ends_well(shop, step):
    shop.change()
    with asking(shop) as failures:
        kill_at(shop, step, lambda running: kill_with_agent(running, shop.state))
        deploy_again(shop)
        assert_whole(shop)
    assert failures == []


def test_a_program_that_is_killed_alone_leaves_an_agent_that_does_no_harm(shop):
    shop.change()
    with asking(shop) as failures:
        kill_at(shop, 3, lambda running: os.kill(running.pid, signal.SIGKILL))
        deploy_again(shop)
        assert_whole(shop)
    assert failures == []
    deploys = [line["deploy"] for line in shop.journal()]
    assert len(list(itertools.groupby(deploys))) == len(set(deploys)), "two deploys wrote at the same time"


def test_ctrl_c_takes_back_what_was_done(shop):
    live = shop.live()
    shop.change()
    with asking(shop) as failures:
        begun = kill_at(shop, 3, lambda running: os.kill(running.pid, signal.SIGINT))
        assert begun
        assert shop.live() in (live, live + 1)
        deploy_again(shop)
        assert_whole(shop)
    assert failures == []


def test_afterwards_there_is_nothing_to_do(shop):
    assert "nothing to do" in shop.up()


@pytest.fixture(scope="module", autouse=True)
def _nothing_is_left(tmp_path_factory):
    yield
    for folder in Path(tmp_path_factory.getbasetemp()).glob("interrupted*"):
        shutil.rmtree(folder, ignore_errors=True)
